"""The limits as the API shows and changes them, around `services.limits`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from workbench.domain.errors import InputError
from workbench.services.desk_bodies import ChangeLimits
from workbench.storage.home import Home
from workbench.storage.links import load_link

Json = dict[str, Any]


def shown_limits(home: Home, accounts: Iterable[int]) -> Json:
    """Return what is known of limits, by account."""
    linked = {account: load_link(home, account) for account in accounts}
    return {"accounts": {str(account): repr(link.limits) for account, link in linked.items() if link is not None}}


def change_limits(home: Home, change: ChangeLimits, *, tighten: bool, running: bool) -> Json:
    """Write new limits.

    Raises
    ------
    InputError
        A name or value that makes no sense, or one that is looser than allowed.
    """
    raise InputError(f"limits of {change.level} cannot be changed over the API yet: workbench limits set")
