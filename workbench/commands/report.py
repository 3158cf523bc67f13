"""`workbench report run`: a notebook template with parameters, as a page that needs no network."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from workbench.commands.output import show

app = typer.Typer(help="Reports from notebook templates.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Keep `run` a command of its own while it is the only one."""


@app.command("run")
def run(
    template: Annotated[str, typer.Argument(help="A template of notebooks/reports by name, or a notebook file.")],
    parameter: Annotated[list[str] | None, typer.Option("-p", help="name=value; repeatable.")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for the report; home/reports by default.")] = None,
    home: Annotated[str | None, typer.Option("--home", help="Folder of state and data (WORKBENCH_HOME).")] = None,
    json_: Annotated[bool, typer.Option("--json", help="Answer as JSON.")] = False,
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
