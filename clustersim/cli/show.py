"""`clustersim show`: what the catalog holds, and where every value comes from."""

from __future__ import annotations

from typing import Any

import click

from clustersim.cli.options import examples, json_option, print_json


@click.command(
    "show",
    short_help="What the catalog holds, and where every value comes from.",
    epilog=examples(
        "clustersim show accelerators ascend-910b",
        "clustersim show models deepseek-v3",
    ),
)
@click.argument("section", required=False)
@click.argument("name", required=False)
@click.option("--as", "read_as", metavar="TYPE", help="Read a config.json as this model_type, whatever it says.")
@json_option
def command(section: str | None, name: str | None, read_as: str | None, as_json: bool) -> None:
    """List the catalog's sections, the entries of SECTION, or every value of the entry NAME with its source.

    SECTION is accelerators, nodes, clusters, models, stacks, serving-stacks, failures, prices or records. NAME may be a
    path: of a YAML file, of a model a Hugging Face config.json or its folder. Of records, NAME may be an accelerator,
    whose published runs are listed.
    """
    from clustersim.views import entry_table, records_table, show_table

    if read_as is not None and (section is None or name is None or show_table.check_section(section) != "models"):
        raise click.UsageError("--as goes with a model's config.json: clustersim show models PATH --as TYPE")
    runs = section is not None and show_table.check_section(section) == "records"
    if runs and (name is None or not records_table.is_entry(name)):
        document: dict[str, Any] = records_table.records_document(name)
        view = records_table.records_view(name)
    elif section is None:
        document = dict(show_table.section_counts())
        view = show_table.sections_view()
    elif name is None:
        document = dict(show_table.section_rows(section))
        view = show_table.section_view(section)
    else:
        document = entry_table.entry_document(section, name, read_as)
        view = entry_table.entry_view(section, name, read_as)
    if as_json:
        print_json(document)
    else:
        from clustersim.views.console import print_page

        print_page(view)
