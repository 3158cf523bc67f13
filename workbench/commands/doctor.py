"""`workbench doctor`: what is wrong with this machine, and what to do about it."""

from __future__ import annotations

from typing import Annotated

import typer

from workbench.commands.output import show

MARKS = {"ok": "✓", "warn": "▲", "bad": "✖"}


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""

    @app.command("doctor")
    def doctor(
        home: Annotated[str | None, typer.Option("--home", help="Folder of state and data (WORKBENCH_HOME).")] = None,
        json_: Annotated[bool, typer.Option("--json", help="Answer as JSON.")] = False,
    ) -> None:
        """Look at Python, packages, kernels, disk, clock, ports, browser, credentials and gateway; exit 1 when bad."""
        from workbench.services.doctor import BAD, WARN, examine
        from workbench.storage.home import home as home_at

        findings = examine(home_at(home))
        bad = sum(f.state == BAD for f in findings)
        if json_:
            show({"findings": [f.to_dict() for f in findings], "bad": bad}, as_json=True)
        else:
            for finding in findings:
                print(f"{MARKS[finding.state]} {finding.name.ljust(12)} {finding.seen}")
                if finding.cure and finding.state != "ok":
                    print(f"  {''.ljust(12)} → {finding.cure}")
            warned = sum(f.state == WARN for f in findings)
            print("all is well" if not bad + warned else f"{bad} bad, {warned} to look at")
        raise typer.Exit(1 if bad else 0)
