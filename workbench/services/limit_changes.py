"""The limits as the API shows and changes them: `services.limits`, with the desk's own word on what runs."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from workbench.services.desk_bodies import ChangeLimits
from workbench.services.limits import change, history, shown
from workbench.storage.home import Home

Json = dict[str, Any]


def shown_limits(home: Home) -> Json:
    """Return the limits of every level and account, and the entries they came from, the newest first."""
    return {**shown(home), "history": history(home)}


def change_limits(home: Home, wish: ChangeLimits, *, tighten: bool, running: Collection[int]) -> Json:
    """Write new limits and return what holds then, with what was changed.

    Parameters
    ----------
    running : collection of int
        Accounts on which a session runs: there nothing is loosened.

    Raises
    ------
    InputError
        A name or value that makes no sense, or one that is looser than allowed.
    """
    done = change(
        home,
        wish.level,
        wish.name,
        wish.values,
        person=wish.person,
        reason=wish.reason,
        tighten=tighten,
        source="api",
        running=lambda account: account in running or (account == 0 and bool(running)),
    )
    return {"changed": done, **shown_limits(home)}
