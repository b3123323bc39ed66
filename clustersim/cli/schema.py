"""`clustersim schema`: what a file may hold, as JSON schema."""

from __future__ import annotations

import click

from clustersim.cli.options import examples, print_json

KINDS = (
    "scenario",
    "sweep",
    "claim",
    "accelerator",
    "node",
    "cluster",
    "model",
    "stack",
    "failure",
    "serving",
    "serving-stack",
)


@click.command(
    "schema",
    short_help="What a file may hold, as JSON schema.",
    epilog=examples("clustersim schema scenario", "clustersim schema sweep > sweep.schema.json"),
)
@click.argument("kind", type=click.Choice(KINDS), default="scenario", metavar="[KIND]")
@click.option("--json", "as_json", is_flag=True, help="The same: a schema is JSON.")
def command(kind: str, as_json: bool) -> None:
    """Print the JSON schema of a KIND of file, for editors and programs.  [default: scenario]

    KIND is scenario, sweep, claim, accelerator, node, cluster, model, stack, serving or serving-stack.
    """
    from clustersim.inputs.base import Description
    from clustersim.inputs.claim import Claim
    from clustersim.inputs.merging import KINDS as CATALOG_KINDS
    from clustersim.inputs.serving import Serving
    from clustersim.inputs.sweep import Sweep

    kinds: dict[str, type[Description]] = {"sweep": Sweep, "claim": Claim, "serving": Serving}
    kinds |= {section.removesuffix("s"): described for section, described in CATALOG_KINDS.items()}
    print_json(kinds[kind].model_json_schema(mode="validation"))
