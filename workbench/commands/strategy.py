"""`workbench strategy check | list | show | diff | register | promote | rollback`: strategies and stored versions."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from workbench.commands import strategy_check, strategy_states
from workbench.commands.output import show, table

if TYPE_CHECKING:
    from workbench.rules.strategy import Strategy
    from workbench.storage.home import Home

app = typer.Typer(help="Strategy files and their stored versions.", no_args_is_help=True)
Json = Annotated[bool, typer.Option("--json", help="Answer as JSON.")]
HomeOption = Annotated[str | None, typer.Option("--home", help="Folder of state and data (WORKBENCH_HOME).")]
app.command("check")(strategy_check.check)
strategy_states.add(app)
Named = Annotated[str, typer.Argument(help="A file, the name of a shipped strategy, or a version.")]


@app.command("list")
def list_versions(
    name: Annotated[str | None, typer.Argument(help="Only the versions of this strategy.")] = None,
    home: HomeOption = None,
    json_: Json = False,
) -> None:
    """List the stored versions with their states, and the files of the strategies folders."""
    from workbench.services.strategies import shipped_folder
    from workbench.storage.home import home as home_at

    stored, trouble = _stored(home_at(home), name)
    folders = {folder.resolve() for folder in (Path("strategies"), shipped_folder()) if folder.is_dir()}
    files = sorted(str(path) for folder in folders for kind in ("*.yaml", "*.py") for path in folder.glob(kind))
    if json_:
        show({"versions": stored, "files": files, "error": trouble or None}, as_json=True)
        return
    columns = ["name", "version", "state", "live_in", "timeframe", "roots", "from"]
    table(stored, columns, empty="no stored versions")
    for file in files if name is None else []:
        print(f"file {file}")
    if trouble:
        print(f"workbench: states are not known: {trouble}", file=sys.stderr)


def _stored(place: Home, name: str | None) -> tuple[list[dict[str, Any]], str]:
    # The stored copies are files: they are listed, and run, whatever has become of the database.
    from workbench.domain.errors import StorageError
    from workbench.storage.versions import Versions

    versions = Versions(place)
    try:
        known, trouble = {r.version: r for r in versions.recorded(name)}, ""
    except StorageError as error:
        known, trouble = {}, str(error)
    rows = []
    for entry in versions.registry.list():
        record = known.get(entry.version)
        if record is None and not (trouble and name in (None, entry.name)):
            continue
        state: dict[str, Any] = {
            "state": record and record.state.value,
            "live_in": ", ".join(record.sessions) if record else None,
        }
        facts = {"timeframe": entry.timeframe, "roots": "/".join(entry.roots), "from": entry.origin}
        rows.append({"name": entry.name, "version": entry.version, **state, **facts})
    return rows, trouble


@app.command("show")
def show_strategy(
    strategy: Named,
    source: Annotated[bool, typer.Option("--source", help="Print the stored text instead.")] = False,
    home: HomeOption = None,
    json_: Json = False,
) -> None:
    """Show what a strategy does, and what was recorded about its version: lineage, results, promotions."""
    from workbench.research import load_strategy
    from workbench.storage.home import home as home_at

    chosen = load_strategy(strategy, home=home)
    if source and not json_:
        print(chosen.source, end="")
        return
    normal = {name: value for name, value in chosen.normal().items() if name != "files"}
    history, trouble = _history(chosen.version, home_at(home))
    facts = {**_facts(chosen), **normal, "description": chosen.description, "parameters": _parameters(chosen)}
    if json_:
        more = {"source": chosen.source} if source else {}
        show({**facts, **history, **more, "error": trouble or None}, as_json=True)
        return
    _print_rules(chosen, normal)
    _print_history(history)
    if trouble:
        print(f"workbench: what was recorded is not known: {trouble}", file=sys.stderr)


def _print_rules(chosen: Strategy, normal: dict[str, Any]) -> None:
    from workbench.rules.difference import words

    print(f"{chosen.name}@{chosen.version}  {'/'.join(chosen.roots)}  {chosen.timeframe}  warm-up {chosen.warmup} bars")
    print(chosen.description)
    for name, rule in normal.get("rules", {}).items():
        print(f"  {name:18} {rule}")
    told = ("name", "roots", "group", "timeframe", "parameters", "rules", "semantics", "python")
    for name, value in normal.items():
        if name not in told and value not in (None, "", [], {}):
            print(f"  {name:18} {words(value)}")
    table(_parameters(chosen), ["name", "value", "type", "min", "max", "step", "description"], empty="no parameters")


def _history(version: str, place: Home) -> tuple[dict[str, Any], str]:
    from workbench.domain.errors import StorageError
    from workbench.storage.ledger import Trials
    from workbench.storage.versions import Versions

    versions = Versions(place)
    empty: dict[str, Any] = {
        "state": None,
        "live_in": [],
        "lineage": [],
        "results": [],
        "promotions": [],
        "trials": None,
    }
    try:
        line = versions.lineage(version)
        if not line:
            return empty, ""
        results = [
            {
                "kind": r.kind,
                "at": _day(r.at),
                "data": r.data_version,
                "found": len(r.stats.get("findings", [])),
                **r.stats,
            }
            for r in versions.results(version)
        ]
        promotions = [
            {"at": _day(a.at), "to": a.wanted, "session": a.session, "by": a.person, "reason": a.reason,
             "done": a.accepted, "against": [v["text"] for v in a.verdicts if not v["passed"]]}
            for a in versions.attempts(version)
        ]  # fmt: skip
        lineage = [{"version": r.version, "state": r.state.value, "at": _day(r.at), "by": r.person} for r in line]
        here = {"state": line[-1].state.value, "live_in": list(line[-1].sessions), "lineage": lineage}
        trials = Trials(place, versions.database).count(line[-1].name)
    except StorageError as error:
        return empty, str(error)
    return {**here, "results": results, "promotions": promotions, "trials": trials}, ""


def _print_history(history: dict[str, Any]) -> None:
    if history["state"] is None:
        print("not stored: workbench strategy register keeps a copy")
        return
    where = f" in {', '.join(history['live_in'])}" if history["live_in"] else ""
    print(f"{history['state']}{where}, {history['trials']:,} trials of this name recorded")
    print("lineage: " + " → ".join(f"{r['version']} ({r['state']})" for r in history["lineage"]))
    columns = ["kind", "at", "net_usd", "trades", "max_drawdown_usd", "found", "data"]
    table(history["results"], columns, empty="no results attached")
    table(history["promotions"], ["at", "to", "session", "by", "reason", "done"], empty="never promoted")


@app.command("diff")
def diff(
    old: Annotated[str, typer.Argument(help="A file, the name of a shipped strategy, or a version.")],
    new: Annotated[str, typer.Argument(help="What it is compared with.")],
    home: HomeOption = None,
    json_: Json = False,
) -> None:
    """Tell what changed between two versions by meaning; formatting and comments do not count."""
    from workbench.research import load_strategy
    from workbench.rules.difference import differences

    before, after = load_strategy(old, home=home), load_strategy(new, home=home)
    found = differences(before, after)
    if json_:
        changes = [{"what": d.what, "before": d.before, "after": d.after} for d in found]
        show({"old": before.version, "new": after.version, "changes": changes}, as_json=True)
        return
    print(f"{before.name}@{before.version} → {after.name}@{after.version}")
    for difference in found:
        print(f"  {difference}")
    if not found:
        print("  one and the same version")


@app.command("register")
def register_file(
    file: Annotated[str, typer.Argument(help="The strategy file.")],
    parent: Annotated[
        str | None, typer.Option(help="Version it was made from; by default the newest of its name.")
    ] = None,
    person: Annotated[str | None, typer.Option(help="Who does it; by default the user of this machine.")] = None,
    home: HomeOption = None,
    json_: Json = False,
) -> None:
    """Store a copy of a strategy under its version; sessions run that copy. Again changes nothing."""
    import getpass

    from workbench.research import load_strategy
    from workbench.services.clock import wall_ns
    from workbench.storage.home import home as home_at
    from workbench.storage.versions import Versions

    versions = Versions(home_at(home))
    origin = None if parent is None else versions.registry.find(parent).version
    strategy = load_strategy(file, home=home)
    entry = versions.register(strategy, at=wall_ns(), person=person or getpass.getuser(), parent=origin)
    answer = {"name": entry.name, "version": entry.version, "origin": entry.origin, "parent": entry.parent}
    show(answer if json_ else f"{entry.name}@{entry.version} is stored", as_json=json_)


def _day(at: int) -> str:
    from datetime import UTC, datetime

    return f"{datetime.fromtimestamp(at / 1e9, UTC):%Y-%m-%d %H:%M} UTC"


def _facts(strategy: Strategy) -> dict[str, Any]:
    return {
        "name": strategy.name,
        "version": strategy.version,
        "timeframe": strategy.timeframe,
        "roots": list(strategy.roots),
        "warmup": strategy.warmup,
    }


def _parameters(strategy: Strategy) -> list[dict[str, Any]]:
    return [
        {
            "name": p.name,
            "value": strategy.values[p.name],
            "type": p.type,
            "min": p.min,
            "max": p.max,
            "step": p.step,
            "description": p.description,
        }
        for p in strategy.parameters.values()
    ]
