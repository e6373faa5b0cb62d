"""darkparse zoo."""

import json

import click

from ..data import shipped
from ..zoo import as_json, support_table, survey, table


@click.command()
@click.argument("folder", required=False, metavar="[DIR]")
@click.option("--json", "wants_json", is_flag=True, help="A JSON list instead of a table.")
@click.option("--sections", is_flag=True, help="Instead: the sections and options that run, as Markdown.")
def zoo(folder: str | None, wants_json: bool, sections: bool) -> None:
    """Show which cfgs of a folder run, or why not: heads, classes, layers, BFLOPs, parameters, bytes of the weights.

    Without DIR, those that come with darkparse.  Exit status 0 even if some do not run.
    """
    if sections:
        lines = support_table()
    elif wants_json:
        lines = iter([json.dumps([as_json(entry) for entry in survey(folder or shipped())], indent=1)])
    else:
        lines = table(survey(folder or shipped()))
    for line in lines:
        click.echo(line)
