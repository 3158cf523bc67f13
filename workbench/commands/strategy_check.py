"""`workbench strategy check`: what is wrong in a strategy, and what makes no sense, each with its line."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any

import typer

from workbench.commands.output import show
from workbench.domain.errors import WorkbenchError

if TYPE_CHECKING:
    from workbench.rules.strategy import Strategy

_LINE = re.compile(r", line (\d+)")


def check(
    files: Annotated[list[str], typer.Argument(help="Files, names of shipped strategies, or versions.")],
    home: Annotated[str | None, typer.Option("--home", help="Folder of state and data (WORKBENCH_HOME).")] = None,
    json_: Annotated[bool, typer.Option("--json", help="Answer as JSON.")] = False,
) -> None:
    """Check strategies: mistakes, conflicts, conditions that never hold, dead windows, limits that never bind."""
    answers = [_answer(file, home) for file in files]
    if json_:
        show(answers, as_json=True)
    else:
        for answer in answers:
            _print(answer)
    raise typer.Exit(0 if all(answer["ok"] for answer in answers) else 1)


def _answer(file: str, home: str | None) -> dict[str, Any]:
    from workbench.research import load_strategy
    from workbench.rules.check import ERROR, Finding, check

    try:
        strategy = load_strategy(file, home=home)
    except WorkbenchError as error:
        said = str(error)
        line = _LINE.search(said)
        finding = Finding(ERROR, "unreadable", said, int(line[1]) if line else 0)
        return {"file": file, "ok": False, "error": said, "findings": [finding.as_dict()]}
    found = check(strategy)
    errors = [finding for finding in found if finding.level == ERROR]
    return {
        "file": file,
        "ok": not errors,
        "error": errors[0].text if errors else None,
        **_facts(strategy),
        "findings": [finding.as_dict() for finding in found],
    }


def _print(answer: dict[str, Any]) -> None:
    from workbench.rules.check import Finding

    verdict = "ok    " if answer["ok"] else "wrong "
    if "name" not in answer:
        print(f"{verdict} {answer['file']}: {answer['error']}")
        return
    print(f"{verdict} {answer['file']}: {answer['name']}@{answer['version']}, warm-up {answer['warmup']} bars")
    for finding in answer["findings"]:
        print(f"       {Finding(**finding)}")


def _facts(strategy: Strategy) -> dict[str, Any]:
    return {
        "name": strategy.name,
        "version": strategy.version,
        "timeframe": strategy.timeframe,
        "roots": list(strategy.roots),
        "warmup": strategy.warmup,
    }
