"""What the live desk shows while no runner runs: what was known last, as old; and what orders were filled at."""

from __future__ import annotations

from typing import Any

import pytest

from tests.fakes.desk import CONTRACT, FakeDesk
from workbench.apps import live_rows as rows

Json = dict[str, Any]


@pytest.fixture
async def snapshot() -> Json:
    return await FakeDesk().snapshot()


def runner(snapshot: Json, state: str, age_s: float) -> None:
    snapshot["accounts"][0]["runner"].update(state=state, age_s=age_s)


def cells(snapshot: Json) -> dict[str, Any]:
    (row,) = rows.session_rows(snapshot)
    return dict(zip([head.title for head in rows.SESSION_HEADS], row.cells, strict=True))


async def test_after_a_stop_a_session_shows_what_it_had_earned_before_as_old(snapshot: Json) -> None:
    snapshot["sessions"][0].update(state="ended", position=0, pnl_usd=None, last_pnl_usd=30.7)
    runner(snapshot, "stopped", 180.0)
    shown = cells(snapshot)
    assert shown["P&L"] == ("+30.70 USD · 3 min old", "dim")
    assert shown["Position"] == ("flat", ""), "the broker has shown that"
    runner(snapshot, "stopped", 0.2)
    assert cells(snapshot)["P&L"] == ("+30.70 USD · before the stop", "dim")


async def test_a_session_whose_runner_is_gone_says_how_old_its_numbers_are(snapshot: Json) -> None:
    snapshot["sessions"][0].update(position=2, pnl_usd=-4.5)
    runner(snapshot, "lost", 42.0)
    shown = cells(snapshot)
    assert (shown["Position"], shown["P&L"]) == (("+2 · 42 s old", "dim"), ("−4.50 USD · 42 s old", "dim"))
    runner(snapshot, "running", 0.4)
    shown = cells(snapshot)
    assert (shown["Position"], shown["P&L"]) == (("+2", "up"), ("−4.50 USD", "down"))


def order(number: int, kind: str, status: str, rule: str | None, **prices: float) -> Json:
    return {"order_id": number, "at": number, "account": 1001, "contract": CONTRACT, "side": "SELL", "type": kind,
            "qty": 3, "filled": 3 if status == "FILLED" else 0, "status": status, "rule": rule, **prices}  # fmt: skip


def fill(number: int, qty: int, price: float, account: int = 1001) -> Json:
    return {"account": account, "order_id": number, "qty": qty, "price": price}


def test_a_filled_order_shows_the_average_price_of_its_fills() -> None:
    orders = [
        order(9, "MARKET", "FILLED", "exit.long"),
        order(8, "LIMIT", "WORKING", "entry.long.bracket", limit_price=6820.0),
        order(7, "STOP", "FILLED", "entry.long.bracket", stop_price=6800.0),
    ]
    fills = [fill(9, -1, 6810.0), fill(9, -2, 6810.75), fill(7, -3, 6799.25), fill(8, -1, 6820.0), fill(9, -1, 1.0, 2)]
    shown = {row.id: row.cells for row in rows.order_rows(orders, fills)}
    assert shown["1001/9"][7] == "6,810.50"  # (6810 + 2 × 6810.75) / 3
    assert shown["1001/7"][7] == "6,799.25", "what it was filled at, not where it waited"
    assert shown["1001/8"][7] == "6,820.00", "what works shows where it waits"


def test_an_exit_names_the_rule_of_its_entry_and_what_kind_it_is() -> None:
    kinds = {"STOP": "stop", "LIMIT": "target", "TRAILING_STOP": "trail"}
    for kind, name in kinds.items():
        (row,) = rows.order_rows([order(1, kind, "CANCELED", "entry.long.bracket")])
        assert row.cells[9] == f"entry.long · {name}"
    assert [rows.order_rows([order(1, "MARKET", "FILLED", rule)])[0].cells[9] for rule in ("exit.long", None)] == [
        "exit.long",
        None,
    ]
