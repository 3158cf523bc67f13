"""What a person has said about an account: kept whole, refused when damaged."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from workbench.domain.errors import InputError
from workbench.services.linking import make_link
from workbench.storage.home import Home
from workbench.storage.links import LinkDamaged, known_accounts, linked_accounts, load_link, save_link


@pytest.fixture
def place(tmp_path: Path) -> Home:
    home = Home(tmp_path)
    save_link(home, make_link(account=7, name="PRAC-V2-1-1", balance=Decimal("150000.25"), by="me"))
    return home


def rewrite(place: Home, **values: Any) -> None:
    path = place.account(7) / "link.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


def test_a_link_comes_back_as_it_was_saved(place: Home) -> None:
    link = load_link(place, 7)
    assert link is not None
    assert (link.account, str(link.kind), link.day_start_balance_usd) == (7, "practice", Decimal("150000.25"))
    assert load_link(place, 8) is None


@pytest.mark.parametrize(
    "values",
    [
        {"programme": "no-such-plan"},
        {"bracket_mode": "none"},
        {"limits": {"max_position": 0}},
        {"day_start_balance_usd": "NaN"},
        {"max_loss_level_usd": "Infinity"},
        {"extra": 1},
        {"kind": "unknown"},
        {"account": 8},
    ],
)
def test_a_link_that_says_something_impossible_is_damaged(place: Home, values: dict[str, Any]) -> None:
    rewrite(place, **values)
    with pytest.raises(LinkDamaged, match="link the account again"):
        load_link(place, 7)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\xfe"])
def test_a_torn_link_is_damaged(place: Home, content: bytes) -> None:
    (place.account(7) / "link.json").write_bytes(content)
    with pytest.raises(LinkDamaged):
        load_link(place, 7)


def test_an_account_that_has_traded_is_known_without_its_link(place: Home) -> None:
    (place.account(9)).mkdir(parents=True)
    (place.account(9) / "journal.wbj").write_bytes(b"")
    (place.account(10)).mkdir()
    assert linked_accounts(place) == [7]
    assert known_accounts(place) == [7, 9]


def test_a_combine_needs_its_maximum_loss_level() -> None:
    with pytest.raises(InputError, match="--max-loss-level"):
        make_link(account=1, name="50KTC-V2-1-1", balance=Decimal(50_000), by="me")
    with pytest.raises(InputError, match="--kind"):
        make_link(account=1, name="STRANGE-1", balance=Decimal(1), by="me")
