"""Linking an account anew: the way out of a journal that nobody can follow any more."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from workbench.domain.errors import LockHeld
from workbench.services.linking import link_account, make_link
from workbench.storage.home import Home
from workbench.storage.links import AccountLink, load_link
from workbench.storage.lock import AccountLock


def link() -> AccountLink:
    return make_link(account=7, name="PRAC-V2-7", balance=Decimal(150_000), by="ann")


def test_the_earlier_journal_is_put_aside_whole(tmp_path: Path) -> None:
    home = Home(tmp_path)
    assert link_account(home, link()) is None
    journal = home.account(7) / "journal.wbj"
    journal.write_bytes(b"what was decided")
    aside = link_account(home, link())
    assert aside is not None
    assert aside.read_bytes() == b"what was decided"
    assert not journal.exists()
    assert load_link(home, 7) is not None


def test_an_account_that_trades_is_not_linked_anew(tmp_path: Path) -> None:
    home = Home(tmp_path)
    link_account(home, link())
    journal = home.account(7) / "journal.wbj"
    journal.write_bytes(b"in use")
    with AccountLock(home.account(7)) as lock:
        lock.acquire("runner")
        with pytest.raises(LockHeld, match="runner"):
            link_account(home, link())
    assert journal.read_bytes() == b"in use"
