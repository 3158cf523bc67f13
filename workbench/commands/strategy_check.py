"""`workbench strategy check`: what is wrong in a strategy, and what makes no sense, each with its line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from workbench.commands.output import show
from workbench.domain.errors import WorkbenchError

if TYPE_CHECKING:
    from workbench.rules.strategy import Strategy


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
    from workbench.rules.mistakes import told

    try:
        strategy = load_strategy(file, home=home)
    except WorkbenchError as error:
        findings = [Finding(ERROR, "unreadable", said, line).as_dict() for line, said in told(error)]
        return {"file": file, "ok": False, "error": str(error), "findings": findings}
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
        _print_mistakes(answer)
        return
    print(f"{verdict} {answer['file']}: {answer['name']}@{answer['version']}, warm-up {answer['warmup']} bars")
    for finding in answer["findings"]:
        print(f"       {Finding(**finding)}")


def _print_mistakes(answer: dict[str, Any]) -> None:
    said = [finding["text"] for finding in answer["findings"]]
    if len(said) == 1:
        print(f"wrong  {answer['file']}: {said[0]}")
        return
    print(f"wrong  {answer['file']}: {len(said)} mistakes")
    for each in said:
        print(f"       {each}")


def _facts(strategy: Strategy) -> dict[str, Any]:
    return {
        "name": strategy.name,
        "version": strategy.version,
        "timeframe": strategy.timeframe,
        "roots": list(strategy.roots),
        "warmup": strategy.warmup,
    }
