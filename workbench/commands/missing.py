"""What a program that has just started waits for: what is missing, where it was looked for, and what to type."""

from __future__ import annotations

import shlex
import threading
from collections.abc import Callable

import typer

from workbench.domain.errors import StorageError
from workbench.services.processes import answers
from workbench.services.settings import Profile
from workbench.storage.home import Home, read_json
from workbench.storage.links import linked_accounts


def tell(found: list[str]) -> None:
    """Write what is missing on stderr."""
    for text in found:
        typer.echo(f"missing    {text}", err=True)


def tell_later(look: Callable[[], list[str]]) -> None:
    """Write what `look` finds, from a thread of its own: who trades goes on at once."""
    threading.Thread(target=lambda: tell(look()), daemon=True).start()


def for_desk(home: Home, profile: Profile) -> list[str]:
    """Return what a desk has not got: a gateway that answers, and an account that may trade."""
    found = []
    if not answers(f"{profile.rest_url}/api/Status/ping"):
        cure = "check the network and the firm's status page"
        if profile.is_simulator:
            cure = (
                "start the simulator in another terminal: workbench simulator (or name a running one with "
                "--simulator-url, or a real gateway with --profile topstepx)"
            )
        found.append(f"the gateway: nothing answers at {profile.rest_url}; the desk keeps trying. {cure}")
    if not linked_accounts(home):
        place = f"--home {shlex.quote(str(home.path))} --profile {profile.name}"
        found.append(
            f"an account: none is linked in {home.path}, so nothing can be entered. See what there is: "
            f"workbench account list {place} — then link one: workbench account link NUMBER {place}"
        )
    return found


def for_dashboard(home: Home, url: str | None = None) -> list[str]:
    """Return why a dashboard has nothing to show: no desk has written where it is, or none answers there."""
    file = home.desk / "desk.json"
    start = f"start one in another terminal: workbench desk --home {shlex.quote(str(home.path))}"
    wait = "the page shows it as soon as it runs"
    if url is None:
        try:
            told = read_json(file)
        except StorageError as error:
            return [f"the desk: {error}"]
        if told is None:
            return [f"the desk: there is no {file}; {start} ({wait}){_of_demo(home)}"]
        url = str(told.get("url"))
        return (
            [] if answers(f"{url}/api/health") else [f"the desk: {file} names {url}, which is silent; {start} ({wait})"]
        )
    if answers(f"{url.rstrip('/')}/api/health"):
        return []
    return [f"the desk: nothing answers at {url} (WORKBENCH_DESK_URL); unset it to use the desk of {home.path}"]


def _of_demo(home: Home) -> str:
    demo = Home(home.path / "demo")
    try:
        told = read_json(demo.desk / "desk.json") or {}
    except StorageError:
        told = {}
    place = shlex.quote(str(demo.path))
    if told and answers(f"{told.get('url')}/api/health"):
        return f". A demo's desk runs in {demo.path}: workbench dashboard --home {place}"
    return ". All at once, on paper: workbench demo"
