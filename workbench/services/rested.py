"""What the trading date has cost accounts whose runner this desk has never heard, as their journals tell it.

An account that was stopped before the desk began has no runner until somebody clears it and starts a session. What it
has lost today is lost all the same, and counts in the limits over all accounts.
"""

from __future__ import annotations

from collections.abc import Container
from functools import lru_cache
from typing import Any

from workbench.domain.errors import InputError, StorageError
from workbench.services.reconciling import believed
from workbench.storage.home import Home, read_json
from workbench.storage.links import known_accounts
from workbench.storage.records import files_of

Json = dict[str, Any]


def rested(home: Home, told: Container[int]) -> list[Json]:
    """Return a row for each account that has a journal and is not in `told`.

    Returns
    -------
    list of dict
        ``account``, and ``trading_date``, ``day_pnl_usd`` and ``exposure`` (none) where they are known: the journal can
        be read, and nothing is open by it or was left open by the stop that came after it.
    """
    found = []
    for account in known_accounts(home):
        files = [] if account in told else files_of(home.account(account))
        if not files:
            continue
        try:
            seen = files[-1].stat()
            found.append(
                {"account": account, **_day_of(home, account, seen.st_mtime_ns, seen.st_size, _flat_at(home, account))}
            )
        except (InputError, StorageError, OSError):
            found.append({"account": account})
    return found


def _flat_at(home: Home, account: int) -> int:
    # When (mtime, ns) a stop has read this account to be flat; 0: the last one has not.
    path = home.account(account) / "stop_result.json"
    done = read_json(path) or {}
    return path.stat().st_mtime_ns if done.get("result") == "FLAT" else 0


@lru_cache(maxsize=32)
def _day_of(home: Home, account: int, written: int, size: int, flat_at: int) -> Json:
    # A journal that nobody writes is read once.
    found = believed(home, account)
    state, day = found.state, found.state.day_pnl_usd()
    is_open = bool(state.orders.open_items()) or any(book.position.qty for book in state.books.values())
    if found.damage or day is None or (is_open and flat_at < written):
        return {}
    return {"trading_date": state.trading_date, "day_pnl_usd": float(day), "exposure": []}
