"""`workbench dashboard`: the live page on the second screen."""

from __future__ import annotations

import contextlib
import json
import os
import stat
import sys
import webbrowser
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from workbench.apps.server import Dashboard


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""

    @app.command("dashboard")
    def dashboard(
        port: Annotated[int, typer.Option(help="Port on 127.0.0.1; 0 picks a free one.", min=0, max=65535)] = 8421,
        home: Annotated[str | None, typer.Option(help="Folder of state and data (WORKBENCH_HOME).")] = None,
        browser: Annotated[bool, typer.Option("--browser", help="Open the page in a browser.")] = False,
        json_: Annotated[bool, typer.Option("--json", help="Print the address as one JSON line.")] = False,
    ) -> None:
        """Serve the live dashboard until Ctrl-C. Trading does not depend on it: it may come and go."""
        if home is not None:
            os.environ["WORKBENCH_HOME"] = home
        run_dashboard(port, browser=browser, as_json=json_)


def run_dashboard(port: int, *, browser: bool = False, as_json: bool = False) -> None:
    """Serve, and tell people and programs the link: printed, and in the home's desk/dashboard.json."""
    from workbench.apps import serve  # panel takes a second and more to import
    from workbench.commands import missing
    from workbench.domain.errors import StorageError
    from workbench.storage.home import home, read_json, write_durably

    place = home()
    file = place.desk / "dashboard.json"
    # Tokens come by the environment or the home, never by an argument that `ps` shows to everybody.
    url, token = os.environ.get("WORKBENCH_DESK_URL"), os.environ.get("WORKBENCH_API_TOKEN")

    def ready(board: Dashboard) -> None:
        told = {"url": board.url, "link": board.link, "port": board.port, "pid": os.getpid()}
        write_durably(file, json.dumps(told).encode(), mode=0o600)
        where = f"{board.url}; its link with the token is in {file}" if _is_kept() else board.link
        typer.echo(json.dumps(told) if as_json else f"dashboard {where} (Ctrl-C ends it; trading goes on)")
        if browser:
            webbrowser.open(board.link)

    missing.tell(missing.for_dashboard(place, url if url and token else None))
    try:
        serve(port, url, token, page_token=os.environ.get("WORKBENCH_DASHBOARD_TOKEN"), ready=ready)
    finally:
        with contextlib.suppress(StorageError):
            if (read_json(file) or {}).get("pid") == os.getpid():  # another dashboard may have come, or have been here
                file.unlink(missing_ok=True)


def _is_kept() -> bool:
    # What goes into a file is a log: no token belongs there.
    try:
        return stat.S_ISREG(os.fstat(sys.stdout.fileno()).st_mode)
    except (OSError, ValueError):
        return False
