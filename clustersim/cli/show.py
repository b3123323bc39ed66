"""`clustersim show`: what the catalog holds, and where every value comes from."""

from __future__ import annotations

import click

from clustersim.cli.options import examples, json_option, print_json


@click.command(
    "show",
    short_help="What the catalog holds, and where every value comes from.",
    epilog=examples("clustersim show accelerators", "clustersim show accelerators ascend-910b"),
)
@click.argument("section", required=False)
@click.argument("name", required=False)
@json_option
def command(section: str | None, name: str | None, as_json: bool) -> None:
    """List the catalog's sections, the entries of SECTION, or every value of the entry NAME with its source.

    SECTION is accelerators, nodes, clusters, models, stacks, prices or records.
    """
    from clustersim.views.show_table import entry_document, entry_view, section_rows, section_view, sections_view

    if section is not None and name is not None:
        document = entry_document(section, name)
        view = entry_view(section, name)
    elif section is not None:
        document = {section: section_rows(section)}
        view = section_view(section)
    else:
        from clustersim.views.show_table import section_counts

        document = section_counts()
        view = sections_view()
    if as_json:
        print_json(document)
    else:
        from clustersim.views.console import console

        console().print(view)
