"""Bars over any window: whole, ascending, each once, whatever the server cuts off in silence."""

from __future__ import annotations

import json

import httpx
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.gateway.fakes import FakeTime, Host, Tokens, refusal, reply
from workbench.domain.bar import bars_schema
from workbench.domain.errors import InputError
from workbench.domain.timeframe import timeframe
from workbench.gateway.budget import Budgets, SlidingBudget
from workbench.gateway.faults import GatewayRefused
from workbench.gateway.rest import Rest
from workbench.gateway.times import format_timestamp, parse_timestamp

MES = "CON.F.US.MES.Z26"
MINUTE = 60_000_000_000
START = parse_timestamp("2026-11-16T00:00:00Z")


class BarServer:
    """Keeps bars and answers as the gateway does: the latest `cap` of the window, newest first."""

    def __init__(self, starts: list[int], cap: int = 20_000, *, end_inclusive: bool = False) -> None:
        self.starts, self.cap, self.end_inclusive = sorted(starts), cap, end_inclusive
        self.calls = 0
        self.asked: list[dict[str, object]] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.calls += 1
        body = json.loads(request.content)
        self.asked.append(body)
        start, end = parse_timestamp(body["startTime"]), parse_timestamp(body["endTime"])
        inside = [t for t in self.starts if start <= t < end or (self.end_inclusive and t == end)]
        latest = inside[::-1][: min(self.cap, body["limit"])]
        return reply(bars=[self.bar(t) for t in latest])

    @staticmethod
    def bar(t: int) -> dict[str, object]:
        n = t // MINUTE % 1000
        return {"t": format_timestamp(t, digits=0), "o": 10 + n, "h": 12.5 + n, "l": 9, "c": 11.25, "v": n}


def rest(server: object) -> Rest:
    time = FakeTime()
    history = SlidingBudget(50, 30.0, reserve=0.0, clock=time.monotonic, sleep=time.sleep)
    host = Host(History__retrieveBars=server)  # type: ignore[arg-type]
    return Rest("http://gateway", Tokens(), transport=host.transport, budgets=Budgets(history), sleep=time.sleep)


async def read(server: object, start: int, end: int) -> pl.DataFrame:
    return await rest(server).bars(MES, timeframe("1m"), start, end)


def starts_of(frame: pl.DataFrame) -> list[int]:
    return frame["ts"].cast(pl.Int64).to_list()


async def test_one_page_comes_back_ascending_in_the_declared_schema() -> None:
    server = BarServer([START + i * MINUTE for i in range(10)])
    frame = await read(server, START, START + 10 * MINUTE)
    assert frame.schema == bars_schema()
    assert starts_of(frame) == server.starts
    assert server.calls == 1  # the oldest bar lies on the window's start: nothing can be missing
    assert frame["open"].diff()[1:].to_list() == [1.0] * 9


@pytest.mark.parametrize("inclusive", [False, True])
@pytest.mark.parametrize(("count", "cap"), [(45_000, 20_000), (3_500, 1_000), (2_000, 1_000), (1_001, 1_000)])
async def test_windows_past_the_cap_are_whole_even_if_the_server_cuts_in_silence(
    count: int, cap: int, inclusive: bool
) -> None:
    server = BarServer([START + i * MINUTE for i in range(count)], cap, end_inclusive=inclusive)
    frame = await read(server, START - MINUTE, START + count * MINUTE)
    assert starts_of(frame) == server.starts
    assert server.calls <= -(-count // (cap - 1)) + 2


async def test_the_request_names_unit_count_tier_and_limit() -> None:
    server = BarServer([START])
    await rest(server).bars(MES, timeframe("4h"), START, START + MINUTE)
    assert server.asked == [
        {
            "contractId": MES,
            "live": False,
            "startTime": "2026-11-16T00:00:00.0000000+00:00",
            "endTime": "2026-11-16T00:01:00.0000000+00:00",
            "unit": 3,
            "unitNumber": 4,
            "limit": 20_000,
            "includePartialBar": False,
        }
    ]


async def test_a_weekend_inside_the_window_is_no_end() -> None:
    friday = [START + i * MINUTE for i in range(1_500)]
    monday = [START + (4_000 + i) * MINUTE for i in range(1_500)]
    frame = await read(BarServer(friday + monday, 1_000), START, START + 6_000 * MINUTE)
    assert starts_of(frame) == friday + monday


@pytest.mark.parametrize("bars", [None, []])
async def test_no_bars_is_an_empty_frame_with_the_schema(bars: list[object] | None) -> None:
    frame = await read(reply(bars=bars), START, START + MINUTE)
    assert frame.is_empty()
    assert frame.schema == bars_schema()


async def test_a_missing_bars_member_is_no_crash() -> None:
    assert (await read(reply(), START, START + MINUTE)).is_empty()


async def test_bars_outside_the_window_and_repeats_are_dropped() -> None:
    bars = [BarServer.bar(START + i * MINUTE) for i in (-1, 0, 1, 1, 2)]
    frame = await read(reply(bars=bars), START, START + 2 * MINUTE)
    assert starts_of(frame) == [START, START + MINUTE]


async def test_a_refusal_tells_which() -> None:
    with pytest.raises(GatewayRefused, match="ContractNotFound"):
        await read(refusal(1), START, START + MINUTE)


async def test_an_empty_window_is_the_callers_mistake() -> None:
    with pytest.raises(InputError, match="empty"):
        await read(reply(), START, START)


async def test_negative_prices_are_prices() -> None:
    bar = {"t": "2020-04-20T18:00:00Z", "o": -1.5, "h": 0.01, "l": -40.32, "c": -37.63, "v": 9}
    start = parse_timestamp("2020-04-20T00:00:00Z")
    frame = await read(reply(bars=[bar]), start, start + 86_400_000_000_000)
    assert frame.row(0)[1:] == (-1.5, 0.01, -40.32, -37.63, 9)


@settings(max_examples=40)
@given(
    minutes=st.sets(st.integers(-20, 220), max_size=120),
    cap=st.integers(2, 60),
    inclusive=st.booleans(),
    window=st.tuples(st.integers(0, 100), st.integers(1, 100)),
)
async def test_any_window_of_any_server_is_what_the_server_has(
    minutes: set[int], cap: int, inclusive: bool, window: tuple[int, int]
) -> None:
    server = BarServer([START + m * MINUTE for m in minutes], cap, end_inclusive=inclusive)
    start, end = START + window[0] * MINUTE, START + sum(window) * MINUTE
    assert starts_of(await read(server, start, end)) == [t for t in server.starts if start <= t < end]
