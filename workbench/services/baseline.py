"""Where an account stands when its journal begins: from its link, once; from then on the journal keeps it."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from workbench.domain import events as e
from workbench.domain.account import PROGRAMMES, AccountProgramme
from workbench.execution.state import AccountState
from workbench.services.limits import trading_date
from workbench.storage.home import Home
from workbench.storage.links import load_link
from workbench.storage.plain import plain


def baseline_event(home: Home, state: AccountState, at: int) -> e.BaselineSet | None:
    """Return the account's beginning as an event; None when the journal has one, or the account is not linked."""
    link = load_link(home, state.account)
    if link is None or state.baseline is not None:
        return None
    return e.BaselineSet(
        at=at,
        balance=link.day_start_balance_usd,
        floor_usd=link.max_loss_level_usd,
        day_start_usd=link.day_start_balance_usd,
        trading_date=trading_date(link.linked_at).isoformat(),
        programme=programme_dict(PROGRAMMES[link.programme]) if link.programme else {},
    )


def programme_dict(programme: AccountProgramme) -> dict[str, Any]:
    """Return a programme as plain values, readable by `domain.account_file.account`."""
    found: dict[str, Any] = plain(asdict(programme))
    return found
