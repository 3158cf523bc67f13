"""`workbench strategy check | list | show | register`: strategy files and their stored versions."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from workbench.commands.output import show, table
from workbench.domain.errors import WorkbenchError

if TYPE_CHECKING:
    from workbench.rules.strategy import Strategy

app = typer.Typer(help="Strategy files and their stored versions.", no_args_is_help=True)
Json = Annotated[bool, typer.Option("--json", help="Answer as JSON.")]
HomeOption = Annotated[str | None, typer.Option("--home", help="Folder of state and data (WORKBENCH_HOME).")]
Named = Annotated[str, typer.Argument(help="A file, the name of a shipped strategy, or a version.")]


@app.command("check")
def check(
    files: Annotated[list[str], typer.Argument(help="Files, names of shipped strategies, or versions.")],
    home: HomeOption = None,
    json_: Json = False,
) -> None:
    """Check strategy files; each mistake is named with its line."""
    from workbench.research import load_strategy

    answers: list[dict[str, Any]] = []
    for file in files:
        try:
            answers.append({"file": file, "ok": True, "error": None, **_facts(load_strategy(file, home=home))})
        except WorkbenchError as error:
            answers.append({"file": file, "ok": False, "error": str(error)})
    if json_:
        show(answers, as_json=True)
    else:
        for answer in answers:
            text = f"{answer['name']}@{answer['version']}, warm-up {answer['warmup']} bars" if answer["ok"] else ""
            print(f"{'ok    ' if answer['ok'] else 'wrong '} {file_line(answer, text)}")
    raise typer.Exit(0 if all(answer["ok"] for answer in answers) else 1)


def file_line(answer: dict[str, Any], text: str) -> str:
    """Return a file and what was found in it, on one line."""
    return f"{answer['file']}: {text or answer['error']}"


@app.command("list")
def list_versions(home: HomeOption = None, json_: Json = False) -> None:
    """List the stored versions and the files of the strategies folders."""
    from workbench.services.strategies import shipped_folder
    from workbench.storage.home import home as home_at
    from workbench.storage.registry import Registry

    stored = [
        {"name": e.name, "version": e.version, "timeframe": e.timeframe, "roots": "/".join(e.roots), "from": e.origin}
        for e in Registry(home_at(home)).list()
    ]
    folders = {folder.resolve() for folder in (Path("strategies"), shipped_folder()) if folder.is_dir()}
    files = sorted(str(path) for folder in folders for path in folder.glob("*.yaml"))
    if json_:
        show({"versions": stored, "files": files}, as_json=True)
        return
    table(stored, ["name", "version", "timeframe", "roots", "from"], empty="no stored versions")
    for file in files:
        print(f"file {file}")


@app.command("show")
def show_strategy(strategy: Named, home: HomeOption = None, json_: Json = False) -> None:
    """Show what a strategy does: its rules in their normal form, its parameters, its version."""
    from workbench.research import load_strategy

    chosen = load_strategy(strategy, home=home)
    facts = {**_facts(chosen), **chosen.normal(), "description": chosen.description, "parameters": _parameters(chosen)}
    if json_:
        show(facts, as_json=True)
        return
    print(f"{chosen.name}@{chosen.version}  {'/'.join(chosen.roots)}  {chosen.timeframe}  warm-up {chosen.warmup} bars")
    print(chosen.description)
    for name, rule in chosen.normal()["rules"].items():
        print(f"  {name:12} {rule}")
    for name in ("stop", "target", "contracts", "max_trades_per_day", "cooldown", "window", "flat_by"):
        if facts[name] is not None:
            print(f"  {name:12} {_distance(facts[name])}")
    table(_parameters(chosen), ["name", "value", "type", "min", "max", "step", "description"], empty="no parameters")


@app.command("register")
def register_file(
    file: Annotated[str, typer.Argument(help="The strategy file.")], home: HomeOption = None, json_: Json = False
) -> None:
    """Store a copy of a strategy under its version; sessions run that copy. Again changes nothing."""
    from workbench.research import load_strategy
    from workbench.services.clock import wall_ns
    from workbench.storage.home import home as home_at
    from workbench.storage.registry import Registry

    entry = Registry(home_at(home)).register(load_strategy(file, home=home), at=wall_ns())
    answer = {"name": entry.name, "version": entry.version, "origin": entry.origin}
    show(answer if json_ else f"{entry.name}@{entry.version} is stored", as_json=json_)


def _distance(value: Any) -> Any:
    """Return a stop or target as a person reads it, such as ``stop × atr(14)``; a window as ``08:30 to 15:00``."""
    if not isinstance(value, dict):
        return " to ".join(value) if isinstance(value, list) else value
    unit, amount = next(iter(value.items()))
    return f"{amount} × {value['range']}" if "range" in value else f"{amount} {unit}"


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
