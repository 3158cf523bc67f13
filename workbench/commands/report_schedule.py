"""`workbench report schedule add | list | remove | run`: reports by the clock, with a desk or without one."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Annotated, Any

import typer

from workbench.commands.output import show, table
from workbench.storage.home import Home

app = typer.Typer(help="Reports by the clock of the exchange, or by cron.", no_args_is_help=True)
Folder = Annotated[str | None, typer.Option("--home", help="Folder of state and data (WORKBENCH_HOME).")]
Json = Annotated[bool, typer.Option("--json", help="Answer as JSON.")]
COLUMNS = ["name", "template", "due", "next_due", "last"]


def _store(home: str | None) -> tuple[Home, Any]:
    from workbench.services.schedule_store import Schedules
    from workbench.storage.database import Database
    from workbench.storage.home import home as home_at

    place = home_at(home)
    return place, Schedules(Database(place))


@app.command("add")
def add(
    name: Annotated[str, typer.Argument(help="What to call it.")],
    template: Annotated[str, typer.Argument(help="A template of notebooks/reports by name, or a notebook file.")],
    due: Annotated[str, typer.Option(help="'close + 10 min of MES', 'week close + 1 h of MES', '30 17 * * mon-fri'.")],
    parameter: Annotated[list[str] | None, typer.Option("-p", help="name=value; repeatable.")] = None,
    keep: Annotated[int, typer.Option(help="Reports of it to keep.")] = 30,
    tries: Annotated[int, typer.Option(help="How often one due report is tried.")] = 2,
    retry_s: Annotated[int, typer.Option(help="Seconds between two tries.")] = 60,
    home: Folder = None,
    json_: Json = False,
) -> None:
    """Add a schedule; the desk, or `workbench report schedule run`, carries it out."""
    import getpass

    from workbench.commands.session import parameters
    from workbench.services.report_templates import require_template
    from workbench.services.schedule_store import Schedule

    given = parameters(parameter or [])
    source = require_template(template, given)
    is_file = template.endswith(".ipynb")
    made = Schedule(
        name=name, template=str(source.absolute()) if is_file else template, due=due, parameters=given, keep=keep,
        tries=tries, retry_s=retry_s, person=getpass.getuser(),
    )  # fmt: skip
    _, store = _store(home)
    store.add(made)
    show(made.as_row() if json_ else f"{name}: {template} at {due}", as_json=json_)


@app.command("list")
def list_(home: Folder = None, json_: Json = False) -> None:
    """List the schedules with their next due time (Chicago) and how the last report went."""
    from workbench.domain.hours import local

    _, store = _store(home)
    runs = store.last_runs()
    rows = [{**s.as_row(), "last": runs.get(s.name)} for s in store.all()]
    if json_:
        show(rows, as_json=True)
        return
    for row in rows:
        run, due = row["last"], row["next_due"]
        row["next_due"] = "no scheduler has seen it yet" if due is None else f"{local(due):%a %Y-%m-%d %H:%M}"
        row["last"] = None if run is None else f"{run['status']} {local(run['due']):%Y-%m-%d %H:%M}"
    table(
        rows, COLUMNS, empty="no schedules; add one: workbench report schedule add NAME session --due 'close + 10 min'"
    )


@app.command("remove")
def remove(name: str, home: Folder = None, json_: Json = False) -> None:
    """Remove a schedule; its reports stay."""
    _, store = _store(home)
    store.remove(name)
    show({"removed": name} if json_ else f"{name} is removed; its reports stay", as_json=json_)


@app.command("run")
def run(
    once: Annotated[bool, typer.Option("--once", help="Make what is due now, and end.")] = False, home: Folder = None
) -> None:
    """Carry schedules out in this process, by wall time, until Ctrl-C; with a running desk it shares the work."""
    place, _ = _store(home)
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_run(place, once=once))


async def _run(home: Home, *, once: bool) -> None:
    from workbench.services.alerts import Channels
    from workbench.services.clock import wall_ns
    from workbench.services.jobs import Jobs
    from workbench.services.schedule_runner import Scheduler

    jobs, channels = Jobs(home), Channels("schedule")

    def tell(level: str, text: str) -> None:
        print(f"{level}: {text}", flush=True)
        channels.put({"level": level, "text": text, "account": None})

    scheduler = Scheduler(home, jobs, wall_ns, tell)
    sending = asyncio.create_task(channels.run())
    try:
        if once:
            for name in await scheduler.look():
                print(f"due: {name}", flush=True)
            await scheduler.settle()
            await channels.flush()
        else:
            print(f"following the schedules of {home.path}; Ctrl-C ends", flush=True)
            await scheduler.follow()
    finally:
        sending.cancel()
        await jobs.close()
