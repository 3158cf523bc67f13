"""What the page shows, from snapshots: nothing invented, nothing fresher than it is."""

from __future__ import annotations

import math
from typing import Any

import pytest

from tests.fakes.desk import CONTRACT, OPEN_AT, FakeDesk
from workbench.apps import frame as shown
from workbench.apps import live_rows as rows

Json = dict[str, Any]


@pytest.fixture
async def snapshot() -> Json:
    return await FakeDesk().snapshot()


def tile(tiles: list[Json], label: str) -> Json:
    return next(t for t in tiles if t["label"] == label)


def words(lights: list[Json]) -> str:
    return " | ".join(light["text"] for light in lights)


async def test_the_numbers_of_the_account_are_shown_with_sign_and_unit(snapshot: Json) -> None:
    account = snapshot["accounts"][0]
    account.update(day_pnl_usd=-1234.5, open_usd=12.25, balance_usd=150_186.25)
    tiles = shown.tiles(snapshot, shown.subject(snapshot))
    assert tile(tiles, "Day P&L") | {"note": ""} == {
        "label": "Day P&L", "value": "−1,234.50", "unit": "USD", "tone": "down", "note": "",
    }  # fmt: skip
    assert tile(tiles, "Open P&L")["value"] == "+12.25"
    assert tile(tiles, "Balance")["value"] == "150,186.25"
    assert tile(tiles, "Position")["value"] == "+2"


async def test_missing_values_are_dashes_and_never_zero(snapshot: Json) -> None:
    account = snapshot["accounts"][0]
    for name in ("day_pnl_usd", "open_usd", "balance_usd", "realized_usd"):
        account[name] = None
    account["headroom"] = [{"limit": "daily_loss", "used_usd": None, "limit_usd": 1000.0}]
    account["positions"] = []
    snapshot["sessions"][0].update(position=None, pnl_usd=None, trades=None, last_signal=None)
    tiles = shown.tiles(snapshot, shown.subject(snapshot))
    assert {t["value"] for t in tiles} == {"–"}
    assert tile(tiles, "daily loss left")["gauge"] is None


async def test_nan_is_a_dash_too(snapshot: Json) -> None:
    snapshot["accounts"][0]["day_pnl_usd"] = math.nan
    assert shown.tiles(snapshot, shown.subject(snapshot))[0]["value"] == "–"


async def test_a_running_session_is_the_subject_before_an_ended_one(snapshot: Json) -> None:
    ended = {**snapshot["sessions"][0], "session": "old", "state": "ended"}
    snapshot["sessions"].insert(0, ended)
    assert shown.subject(snapshot)["session"] == "sma-cross-1"


@pytest.mark.parametrize("state", ["running", "warming", "waiting"])
async def test_a_session_that_is_not_paused_is_the_subject_before_one_that_is(snapshot: Json, state: str) -> None:
    snapshot["sessions"][0]["state"] = state
    snapshot["sessions"].insert(0, {**snapshot["sessions"][0], "session": "held", "state": "paused"})
    assert shown.subject(snapshot)["session"] == "sma-cross-1"


async def test_without_a_session_the_position_is_the_subject(snapshot: Json) -> None:
    snapshot["sessions"] = []
    assert shown.subject(snapshot)["contract"] == CONTRACT


def test_an_empty_desk_can_be_shown() -> None:
    content = shown.frame({"accounts": [], "sessions": []}, silent_s=0.1, error="")
    assert content["tiles"] and content["age"] == {"state": "unknown", "age_s": None}


def test_no_snapshot_at_all_is_a_dead_desk() -> None:
    assert "refused" in shown.frame(None, silent_s=0.0, error="connection refused")["dead"]


async def test_old_news_is_marked_dead_only_after_a_while(snapshot: Json) -> None:
    assert shown.frame(snapshot, silent_s=0.4, error="reconnecting")["dead"] == ""
    assert shown.frame(snapshot, silent_s=9.0, error="no desk")["dead"] == "no desk"


async def test_data_age_is_that_of_the_pages_contract(snapshot: Json) -> None:
    snapshot["data"].append({"contract": "CON.F.US.ENQ.Z26", "timeframe": "1m", "age_s": 0.0, "state": "live"})
    snapshot["data"][0].update(age_s=99.0, state="stale")
    assert shown.data_age(snapshot, shown.subject(snapshot)) == {"state": "stale", "age_s": 99.0}


@pytest.mark.parametrize(
    ("clock", "text", "tone"),
    [
        ({"rate": 0.0, "lockstep": False}, "SIMULATOR · its clock stands still", "warn"),
        ({"rate": 0.0, "lockstep": True}, "SIMULATOR", "info"),
        ({"rate": 1.0, "lockstep": False}, "SIMULATOR", "info"),
        ({"rate": 60.0, "lockstep": False}, "SIMULATOR ×60", "info"),
    ],
)
async def test_a_simulated_market_that_stands_still_is_said_in_the_lights(
    snapshot: Json, clock: Json, text: str, tone: str
) -> None:
    snapshot["gateway"]["clock"] = clock
    assert shown.lights(snapshot)[0] == {"text": text, "tone": tone}
    snapshot["gateway"] |= {"profile": "topstepx", "clock": {"rate": 0.0, "lockstep": False}}
    assert shown.lights(snapshot)[0] == {"text": "LIVE · topstepx", "tone": "warn"}


async def test_lights_tell_what_is_wrong_in_words(snapshot: Json) -> None:
    snapshot["gateway"]["connected"] = False
    snapshot["accounts"][0]["runner"]["state"] = "lost"
    snapshot["accounts"][0]["halted"] = ["journal failed"]
    snapshot["stop"].update(latched=True, reason="news", by="ann")
    lights = shown.lights(snapshot)
    assert lights[0] == {"text": "STOPPED: news (ann)", "tone": "alarm"}
    assert [light["tone"] for light in lights if light["text"] == "gateway"] == ["alarm"]
    assert "runner 1001 lost" in words(lights) and "halted: journal failed" in words(lights)


async def test_a_live_profile_never_looks_like_the_simulator(snapshot: Json) -> None:
    assert "SIMULATOR ×20" in words(shown.lights(snapshot))
    snapshot["gateway"].update(profile="topstepx", clock={"rate": 1.0, "lockstep": False})
    assert "LIVE · topstepx" in words(shown.lights(snapshot)) and "SIMULATOR" not in words(shown.lights(snapshot))


async def test_a_runner_that_is_down_alarms_only_where_a_session_wants_it(snapshot: Json) -> None:
    idle = {**snapshot["accounts"][0], "account": 1002, "runner": {"state": "down"}}
    snapshot["accounts"].append(idle)
    assert "1002" not in words(shown.lights(snapshot))
    snapshot["accounts"][0]["runner"]["state"] = "down"
    assert {"text": "runner 1001 down", "tone": "alarm"} in shown.lights(snapshot)


async def test_a_position_that_was_closed_is_no_row(snapshot: Json) -> None:
    snapshot["accounts"][0]["positions"][0].update(qty=0, average_price=None)
    assert rows.position_rows(snapshot) == []
    assert tile(shown.tiles(snapshot, shown.subject(snapshot)), "Position")["note"] == "MES Z26"


async def test_stop_and_target_are_lines_on_the_chart(snapshot: Json) -> None:
    lines = shown.price_lines(snapshot, shown.subject(snapshot))
    assert [line["title"] for line in lines] == ["+2", "stop sell 2", "limit sell 2"]


async def test_a_price_of_zero_and_a_negative_one_are_prices(snapshot: Json) -> None:
    working = snapshot["accounts"][0]["working"]
    working[0]["stop_price"], working[1]["limit_price"] = 0.0, -37.63
    prices = [line["price"] for line in shown.price_lines(snapshot, shown.subject(snapshot))]
    assert prices[1:] == [0.0, -37.63]


def test_fill_arrows_sit_on_the_bar_they_fell_into() -> None:
    bars = [{"time": OPEN_AT + 60 * n} for n in range(5)]
    fills = [
        {"contract": CONTRACT, "qty": -2, "at": (OPEN_AT + 95) * 10**9},
        {"contract": "CON.F.US.ENQ.Z26", "qty": 1, "at": (OPEN_AT + 95) * 10**9},
        {"contract": CONTRACT, "qty": 1, "at": (OPEN_AT - 5) * 10**9},
    ]
    assert shown.markers(fills, bars, CONTRACT) == [{"time": shown.shifted(OPEN_AT + 60), "qty": -2, "text": "−2"}]
    assert shown.markers(fills, [], CONTRACT) == []


def test_many_fills_of_a_bar_are_one_arrow_for_each_side() -> None:
    bars = [{"time": OPEN_AT + 60 * n} for n in range(3)]
    fills = [{"contract": CONTRACT, "qty": q, "at": (OPEN_AT + s) * 10**9}
             for q, s in ((1, 70), (-3, 65), (2, 118), (-1, 5), (1, 130))]  # fmt: skip
    drawn = [(m["time"] - shown.shifted(OPEN_AT), m["qty"], m["text"]) for m in shown.markers(fills, bars, CONTRACT)]
    assert drawn == [(0, -1, "−1"), (60, -3, "−3"), (60, 3, "+3"), (120, 1, "+1")]


def test_prices_have_the_decimals_of_their_tick() -> None:
    assert shown.price(6842.5, CONTRACT) == "6,842.50"
    assert shown.price(1.0, "CON.F.US.EU6.Z26") == "1.00000"
    assert shown.price(None, CONTRACT) == "–"


# --- the newest price in the last bar --------------------------------------------------------------------------------

BAR = {"time": 600, "open": 5.0, "high": 6.0, "low": 4.0, "close": 5.0, "volume": 9}


@pytest.mark.parametrize(
    ("at_s", "price", "expected"),
    [
        (600, 5.5, {**BAR, "close": 5.5}),
        (659, 7.0, {**BAR, "close": 7.0, "high": 7.0}),
        (630, 3.0, {**BAR, "close": 3.0, "low": 3.0}),
        (660, 7.0, {"time": 660, "open": 7.0, "high": 7.0, "low": 7.0, "close": 7.0, "volume": 0}),
        (7230, 7.0, {"time": 7200, "open": 7.0, "high": 7.0, "low": 7.0, "close": 7.0, "volume": 0}),
        (599, 9.0, BAR),
    ],
)
def test_the_newest_price_is_in_the_last_bar_or_begins_the_next(at_s: int, price: float, expected: Json) -> None:
    bars = [{**BAR, "time": 540}, BAR]
    moved = shown.moved(bars, {"last_ts": at_s * 10**9, "last_price": price}, 60)
    assert moved[-1] == expected and moved[0] == bars[0]
    assert bars[-1] == BAR, "what the feed holds is not changed"


def test_without_bars_or_price_nothing_is_made_up() -> None:
    assert shown.moved([], {"last_ts": 10**12, "last_price": 5.0}, 60) == []
    assert shown.moved([BAR], {}, 60) == [BAR]


async def test_the_freshest_row_of_the_contract_gives_the_price(snapshot: Json) -> None:
    newer = {**snapshot["data"][0], "timeframe": "5m", "last_ts": snapshot["at"], "last_price": 1.0}
    older = {**snapshot["data"][0], "last_ts": None}
    snapshot["data"] += [newer, older]
    assert shown.data_row(snapshot, CONTRACT)["last_price"] == 1.0
    assert shown.data_row(snapshot, "CON.F.US.ENQ.Z26") == {}
