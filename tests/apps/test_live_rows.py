"""The tables of the live desk: what is shown, what can be pressed, and exactly what is asked of the desk then."""

from __future__ import annotations

from typing import Any

import pytest

from tests.fakes.desk import CONTRACT, FakeDesk
from workbench.apps import live_rows as rows
from workbench.apps.feed import POINTS, DeskFeed, thinned
from workbench.domain.errors import InputError

Json = dict[str, Any]


@pytest.fixture
async def snapshot() -> Json:
    return await FakeDesk().snapshot()


@pytest.fixture
async def orders() -> list[Json]:
    return await FakeDesk().orders(None)


def verbs(row: rows.Row) -> list[str]:
    return [act.verb for act in row.acts]


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        ("running", ["pause", "flatten", "end"]),
        ("warming", ["pause", "flatten", "end"]),
        ("waiting", ["pause", "flatten", "end"]),
        ("paused", ["resume", "flatten", "end"]),
        ("ended", []),
    ],
)
async def test_a_session_offers_what_its_state_allows(snapshot: Json, state: str, expected: list[str]) -> None:
    snapshot["sessions"][0]["state"] = state
    (row,) = rows.session_rows(snapshot)
    assert verbs(row) == expected
    assert all(act.sure for act in row.acts if act.verb in ("flatten", "end", "resume")), "money is asked about twice"


@pytest.mark.parametrize(
    ("state", "said"),
    [
        ("warming", "warming up: 3 of 31 bars"),
        ("waiting", "warming up: 3 of 31 bars"),
        ("running", "long: fast 6845.10 crossed above slow 6844.62"),
    ],
)
async def test_a_session_that_enters_nothing_yet_says_what_it_waits_for(snapshot: Json, state: str, said: str) -> None:
    snapshot["sessions"][0].update(state=state, reason="warming up: 3 of 31 bars")
    (row,) = rows.session_rows(snapshot)
    assert row.cells[-1] == said


@pytest.mark.parametrize("nothing", [None, ""])
async def test_missing_numbers_of_a_session_are_dashes(snapshot: Json, nothing: str | None) -> None:
    snapshot["sessions"][0].update(position=None, pnl_usd=None, trades=None, last_signal=nothing)
    (row,) = rows.session_rows(snapshot)
    assert list(row.cells[5:]) == [("–", ""), ("–", ""), None, None]


@pytest.mark.parametrize(
    ("chosen", "shown"),
    [
        (("adopt", "keep", 60.0), "adopt · keep"),
        (("wait_flat", "pause", 30.0), "wait_flat · pause\u00a030\u00a0s"),
        (("flatten", "flatten", 2.5), "flatten · flatten\u00a02.5\u00a0s"),
        ((None, None, None), "? · ?"),
    ],
)
async def test_a_session_shows_how_it_begins_and_what_a_lost_stream_means(
    snapshot: Json, chosen: tuple[Any, ...], shown: str
) -> None:
    names = ("start_policy", "disconnect_policy", "disconnect_after_s")
    snapshot["sessions"][0].update(zip(names, chosen, strict=True))
    (row,) = rows.session_rows(snapshot)
    heads = [column.title for column in rows.SESSION_HEADS]
    assert row.cells[heads.index("Begins · stream lost")] == shown
    assert len(row.cells) == len(heads)


async def test_what_lives_stands_before_what_is_over_and_that_newest_first(snapshot: Json) -> None:
    (one,) = snapshot["sessions"]
    states = ("ended", "running", "ended", "paused", "warming", "ended")
    snapshot["sessions"] = [
        {**one, "session": f"s{n}", "state": state, "last_bar_end": n} for n, state in enumerate(states, start=1)
    ]
    assert [row.id for row in rows.session_rows(snapshot)] == ["s2", "s4", "s5", "s6", "s3", "s1"]


async def test_what_a_living_session_waits_for_stands_before_what_its_rule_said(snapshot: Json) -> None:
    snapshot["sessions"][0].update(waits_for="the market is closed until Sun 06 Dec 17:00 Chicago")
    (row,) = rows.session_rows(snapshot)
    assert row.cells[-1] == "the market is closed until Sun 06 Dec 17:00 Chicago"
    snapshot["sessions"][0].update(state="warming", reason="warming up: 3 of 31 bars", waits_for="28 more 1m bars")
    (row,) = rows.session_rows(snapshot)
    assert row.cells[-1] == "warming up: 3 of 31 bars; 28 more 1m bars"


async def test_a_position_can_be_closed_whole_in_part_and_turned(snapshot: Json) -> None:
    (row,) = rows.position_rows(snapshot)
    assert verbs(row) == ["close", "part-close", "reverse"]
    assert row.acts[0].sure == "Close +2 at the market?" and row.acts[2].sure == "Turn +2 to −2?"
    snapshot["accounts"][0]["positions"][0]["qty"] = -1
    (row,) = rows.position_rows(snapshot)
    assert verbs(row) == ["close", "reverse"], "one contract has no part"


async def test_what_works_stands_first_and_only_that_can_be_changed(orders: list[Json]) -> None:
    made = rows.order_rows(orders)
    assert [row.cells[8][0] for row in made] == ["● WORKING", "● WORKING", "✓ FILLED"]  # type: ignore[index]
    assert [verbs(row) for row in made] == [["modify", "cancel"], ["modify", "cancel"], []]
    modify = made[0].acts[0]
    assert [f.name for f in modify.inputs] == ["price", "qty"] and modify.inputs[0].step == 0.25


def test_a_hundred_orders_are_newest_first_behind_what_works() -> None:
    made = [
        {"order_id": n, "at": n * 10**9, "account": 1001, "contract": CONTRACT, "side": "BUY", "type": "LIMIT",
         "qty": 1, "filled": 0, "limit_price": 1.0, "status": "CANCELED" if n % 10 else "WORKING"}
        for n in range(1, 101)
    ]  # fmt: skip
    ids = [int(row.id.split("/")[1]) for row in rows.order_rows(made)]
    assert ids[:10] == [100, 90, 80, 70, 60, 50, 40, 30, 20, 10]
    assert ids[10:13] == [99, 98, 97]


async def test_only_what_was_changed_is_asked_for(orders: list[Json]) -> None:
    stop = next(o for o in orders if o["type"] == "STOP")
    row, price = f"1001/{stop['order_id']}", stop["stop_price"]
    same = {"price": str(price), "qty": "2"}
    assert rows.order_request("modify", row, {**same, "price": str(price + 1)}, orders, "k") == (
        "POST", f"/api/orders/{stop['order_id']}/modify",
        {"request": "k", "account": 1001, "person": "dashboard", "stop_price": price + 1},
    )  # fmt: skip
    assert rows.order_request("modify", row, {**same, "qty": "1"}, orders, "k")[2]["qty"] == 1
    with pytest.raises(InputError, match="nothing was asked"):
        rows.order_request("modify", row, same, orders, "k")


@pytest.mark.parametrize("typed", ["", "abc", "nan", "inf", "-inf"])
async def test_what_is_no_price_is_refused_here(orders: list[Json], typed: str) -> None:
    with pytest.raises(InputError, match="not a number"):
        rows.order_request("modify", "1001/9002", {"price": typed, "qty": "2"}, orders, "k")


@pytest.mark.parametrize("typed", ["0", "-1", "1.5", "nan", ""])
def test_what_is_no_number_of_contracts_is_refused_here(typed: str) -> None:
    with pytest.raises(InputError, match="contracts"):
        rows.position_request("part-close", f"1001/{CONTRACT}", {"qty": typed}, "k")


async def test_an_order_that_is_gone_is_not_changed(orders: list[Json]) -> None:
    with pytest.raises(InputError, match="not there any more"):
        rows.order_request("modify", "1001/77", {"price": "1", "qty": "1"}, orders, "k")


def test_the_requests_of_session_and_position_are_those_of_the_api() -> None:
    assert rows.session_request("flatten", "s1") == ("POST", "/api/sessions/s1/flatten", {"person": "dashboard"})
    assert rows.position_request("close", f"1001/{CONTRACT}", {}, "k") == (
        "POST", f"/api/positions/1001/{CONTRACT}/close", {"request": "k", "person": "dashboard"},
    )  # fmt: skip
    assert rows.position_request("part-close", f"1001/{CONTRACT}", {"qty": "1"}, "k")[2]["qty"] == 1


async def test_the_tightest_limit_stands_first_and_is_marked_in_words_and_shape(snapshot: Json) -> None:
    snapshot["accounts"][0]["headroom"] = [
        {"limit": "daily_loss", "used_usd": 100.0, "limit_usd": 1000.0},
        {"limit": "max_loss", "used_usd": 4_400.0, "limit_usd": 4_500.0},
        {"limit": "share", "used_usd": None, "limit_usd": 500.0},
    ]
    made = rows.limit_rows(snapshot)
    assert [row.cells[1] for row in made] == ["max loss", "daily loss", "share"]
    assert made[0].cells[4:] == ["100.00", ("✖ 2 %", "alarm")]
    assert made[1].cells[5] == ("● 90 %", "ok")
    assert made[2].cells[4:] == [None, None], "what is unknown is not full and not empty"


async def test_signals_and_alerts_are_one_log_newest_first(snapshot: Json) -> None:
    at = snapshot["at"]
    snapshot["alerts"] = [
        {"at": at - 5, "level": "info", "text": "started"},
        {"at": at, "level": "critical", "text": "no price", "account": 1001},
    ]
    snapshot["sessions"][0]["last_bar_end"] = at - 2
    made = rows.signal_rows(snapshot)
    assert [row.cells[3] for row in made][:3:2] == ["no price", "started"]
    assert made[0].cells[1] == ("✖ alarm", "alarm") and made[1].cells[2] == "sma-cross-1"


# --- the equity line -------------------------------------------------------------------------------------------------


def test_thinning_loses_no_extreme_and_keeps_the_order() -> None:
    points = [(t, float((t * 7919) % 1009)) for t in range(5_001)]
    kept = thinned(points)
    assert len(kept) <= len(points) / 2 + 2
    assert kept == sorted(kept) and kept[-1] == points[-1]
    assert min(p[1] for p in kept) == min(p[1] for p in points)
    assert max(p[1] for p in kept) == max(p[1] for p in points)


def test_equity_is_noted_once_a_second_and_never_grows_without_bound() -> None:
    feed = DeskFeed(lambda: ("http://127.0.0.1:1", "x"))
    for n in range(3 * POINTS):
        at = n * 500_000_000  # two snapshots a second
        feed._note_equity({"at": at, "accounts": [{"account": 1001, "equity_usd": 150_000.0 + n}]})
        assert len(feed.equity[1001]) <= POINTS
    feed._note_equity({"at": 10**18, "accounts": [{"account": 1001, "equity_usd": None}]})
    times = [at for at, _ in feed.equity[1001]]
    assert times == sorted(set(times)) and times[-1] < 10**9, "an unknown equity is no point"


# --- a question is about what was seen -------------------------------------------------------------------------------


async def test_an_order_that_moved_while_its_size_was_typed_is_not_moved_back(orders: list[Json]) -> None:
    stop = next(o for o in orders if o["type"] == "STOP")
    row, was = f"1001/{stop['order_id']}", stop["stop_price"]
    (modify,) = (a for r in rows.order_rows(orders) if r.id == row for a in r.acts if a.verb == "modify")
    typed = {**{k: str(v) for k, v in modify.seen.items()}, "price": str(was), "qty": "1"}
    trailed = [{**o, "stop_price": was + 5} if o is stop else o for o in orders]
    body = rows.order_request("modify", row, typed, trailed, "k")[2]
    assert body == {"request": "k", "account": 1001, "person": "dashboard", "qty": 1}, "the stop stays where it trailed"


async def test_a_price_that_was_typed_is_asked_also_where_the_order_has_moved_to_it(orders: list[Json]) -> None:
    stop = next(o for o in orders if o["type"] == "STOP")
    row, was = f"1001/{stop['order_id']}", stop["stop_price"]
    typed = {"seen_price": str(was), "seen_qty": "2", "price": str(was + 5), "qty": "2"}
    moved = [{**o, "stop_price": was + 5} if o is stop else o for o in orders]
    assert rows.order_request("modify", row, typed, moved, "k")[2]["stop_price"] == was + 5


async def test_an_order_of_another_account_with_the_same_number_is_left_alone(orders: list[Json]) -> None:
    stop = next(o for o in orders if o["type"] == "STOP")
    other = [{**stop, "account": 2002, "stop_price": 1.0}, *orders]
    values = {"price": str(stop["stop_price"]), "qty": "1"}
    body = rows.order_request("modify", f"1001/{stop['order_id']}", values, other, "k")[2]
    assert "stop_price" not in body, "its own price is the one that did not change"


@pytest.mark.parametrize("verb", ["reverse", "part-close"])
async def test_the_position_that_was_shown_goes_with_a_reversal_and_a_part_close(snapshot: Json, verb: str) -> None:
    (row,) = rows.position_rows(snapshot)
    act = next(a for a in row.acts if a.verb == verb)
    snapshot["accounts"][0]["positions"][0]["qty"] = -7  # it turns while the question is open
    typed = {**{k: str(v) for k, v in act.seen.items()}, "qty": "1"}
    assert rows.position_request(verb, row.id, typed, "k")[2]["seen_qty"] == 2


async def test_what_was_said_on_another_day_has_its_date(snapshot: Json) -> None:
    at = snapshot["wall"]
    snapshot["alerts"] = [{"at": at - 3 * 86_400 * 10**9, "level": "critical", "text": "no price"}]
    cells = [row.cells[0] for row in rows.signal_rows(snapshot) if row.cells[3] == "no price"]
    assert len(str(cells[0])) == len("11-20 08:30:00")
