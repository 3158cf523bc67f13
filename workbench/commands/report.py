"""`workbench report run | list | index | schedule`: notebook templates as pages that need no network."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from workbench.commands import report_schedule
from workbench.commands.output import show, table

app = typer.Typer(help="Reports from notebook templates.", no_args_is_help=True)
app.add_typer(report_schedule.app, name="schedule")
Folder = Annotated[str | None, typer.Option("--home", help="Folder of state and data (WORKBENCH_HOME).")]
Json = Annotated[bool, typer.Option("--json", help="Answer as JSON.")]
COLUMNS = ["name", "status", "about", "asked_by", "seconds"]


@app.command("run")
def run(
    template: Annotated[str, typer.Argument(help="A template of notebooks/reports by name, or a notebook file.")],
    parameter: Annotated[list[str] | None, typer.Option("-p", help="name=value; repeatable.")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for the report; home/reports by default.")] = None,
    home: Folder = None,
    json_: Json = False,
) -> None:
    """Run a template and write an executed notebook and a self-contained HTML page."""
    from workbench.commands.session import parameters
    from workbench.services.reports import run_report
    from workbench.storage.home import home as home_at

    place = home_at(home)
    report = run_report(template, parameters(parameter or []), out or place.reports, home=place)
    if json_:
        show(report.to_dict(), as_json=True)
    else:
        print(f"{report.html}" if report.ok else f"the report failed: {report.error}\n{report.html}")
    raise typer.Exit(0 if report.ok else 1)


@app.command("list")
def list_(
    limit: Annotated[int, typer.Option(help="The newest so many.")] = 30, home: Folder = None, json_: Json = False
) -> None:
    """List the reports that were run, the newest first."""
    from workbench.services.report_index import list_reports
    from workbench.storage.home import home as home_at

    rows = list_reports(home_at(home).reports, limit)
    if json_:
        show(rows, as_json=True)
    else:
        shown = [{**row, "asked_by": row["schedule"] or "a person"} for row in rows]
        table(shown, COLUMNS, empty="no reports; run one: workbench report run session")


@app.command("index")
def index(home: Folder = None, json_: Json = False) -> None:
    """Make the index page anew from the reports that are there, and print where it lies."""
    from workbench.services.report_index import rebuild_index
    from workbench.storage.home import home as home_at

    page = rebuild_index(home_at(home).reports)
    show({"index": str(page)} if json_ else str(page), as_json=json_)
