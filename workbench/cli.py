"""The command line: `workbench …`. Exit codes: 0 done, 1 refused or failed with a reason, 2 wrong usage."""

from __future__ import annotations

import importlib
import sys

import typer

from workbench.commands.output import fail
from workbench.domain.errors import WorkbenchError

app = typer.Typer(
    name="workbench",
    help="Research and trading workbench for futures on the ProjectX Gateway.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

GROUPS = ("account", "data", "limits", "report", "session", "strategy", "token")
SINGLE = ("backtest", "dashboard", "demo", "desk", "reconcile", "simulator", "stop", "sweep")


@app.callback()
def root() -> None:
    """Research and trading workbench for futures on the ProjectX Gateway."""


def mount(*names: str) -> None:
    """Add commands to `app`; only what is asked for is imported, because `workbench stop` must not wait for charts."""
    for name in names:
        module = importlib.import_module(f"workbench.commands.{name}")
        if name in GROUPS:
            app.add_typer(module.app, name=name)
        else:
            module.register(app)


def main() -> None:
    """Run the command line; an error of ours is one clear message."""
    wanted = next((word for word in sys.argv[1:] if word in (*GROUPS, *SINGLE)), None)
    try:
        mount(*([wanted] if wanted else sorted((*GROUPS, *SINGLE))))
        app()
    except WorkbenchError as error:
        sys.exit(fail(error, as_json="--json" in sys.argv))
    except OSError as error:  # a folder that cannot be written, a full disk: what and where is in it
        sys.exit(fail(WorkbenchError(f"the system refused: {error}"), as_json="--json" in sys.argv))
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
