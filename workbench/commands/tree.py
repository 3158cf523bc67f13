"""The commands under their names; what is asked for is imported, and nothing else."""

from __future__ import annotations

import importlib

import typer

app = typer.Typer(
    name="workbench",
    help="Research and trading workbench for futures on the ProjectX Gateway.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

GROUPS = ("account", "data", "limits", "report", "session", "strategy", "token")
SINGLE = ("backtest", "dashboard", "demo", "desk", "doctor", "reconcile", "simulator", "stop", "sweep")


@app.callback()
def root() -> None:
    """Research and trading workbench for futures on the ProjectX Gateway."""


def mount(*names: str) -> None:
    """Add commands to `app`."""
    for name in names:
        module = importlib.import_module(f"workbench.commands.{name}")
        if name in GROUPS:
            app.add_typer(module.app, name=name)
        else:
            module.register(app)


def run(words: list[str]) -> None:
    """Run the command that `words` name."""
    wanted = next((word for word in words if word in (*GROUPS, *SINGLE)), None)
    mount(*([wanted] if wanted else sorted((*GROUPS, *SINGLE))))
    app(words)
