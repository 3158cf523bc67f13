"""The streaming form equals the array form to the byte, whatever arrives."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.domain.errors import InputError
from workbench.domain.hours import at_local, trading_hours
from workbench.ingestion.aggregate import aggregate_ticks
from workbench.ingestion.bar_builder import BarBuilder, FormingBar

SECOND = 1_000_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
TIMEFRAMES = ["1s", "30s", "1m", "3m", "1h", "4h", "1d", "1w"]
INDEX = trading_hours("index")
GRAINS = trading_hours("grains")
CLOCK_CHANGES = [
    at_local(date(2025, 3, 7), "15:30"),
    at_local(date(2025, 10, 31), "15:30"),
]
EARLY_CLOSE = at_local(date(2024, 11, 29), "11:30")
MONTH_END = at_local(date(2024, 5, 31), "15:58")


@st.composite
def arrivals(draw):
    """Prints as they arrive: mostly ahead, sometimes late or repeated, now and then a leap; with a market clock."""
    at = draw(st.sampled_from([*CLOCK_CHANGES, EARLY_CLOSE, MONTH_END]))
    watermark, prints, marks = 0, [], []
    for _ in range(draw(st.integers(1, 60))):
        move = draw(
            st.sampled_from(
                [
                    0,
                    1,
                    SECOND // 2,
                    SECOND,
                    20 * SECOND,
                    MINUTE,
                    5 * MINUTE,
                    HOUR,
                    3 * HOUR,
                    26 * HOUR,
                ]
            )
        )
        back = draw(st.sampled_from([0, 0, 0, 1, SECOND, 40 * SECOND, MINUTE, 2 * HOUR]))
        at += move
        ticks, size = draw(st.integers(-3, 3)), draw(st.integers(1, 5))
        prints.append((at - back, ticks * 0.25, size))
        if draw(st.integers(0, 3)) == 0:
            watermark = at + draw(st.sampled_from([-MINUTE, -1, 0, 1, SECOND, MINUTE]))
        marks.append(watermark)
    return prints, marks


def streamed(prints, marks, hours, *, many: bool = False):
    builder = BarBuilder(TIMEFRAMES, hours, "CON.F.US.EP.Z24")
    closed = []
    if many:
        closed += builder.add_many(*zip(*prints, strict=True))
    else:
        for (ts, price, size), mark in zip(prints, marks, strict=True):
            closed += builder.advance(mark) if mark else []
            closed += builder.add(ts, price, size)
    closed += builder.advance(2**61)
    return builder, closed


def as_bytes(frame) -> list[bytes]:
    return [frame[name].to_physical().to_numpy().tobytes() for name in frame.columns]


def stream_bytes(closed, text: str) -> list[bytes]:
    bars = [bar for bar in closed if bar.timeframe == text]
    kinds = {
        "start": np.int64,
        "open": float,
        "high": float,
        "low": float,
        "close": float,
        "volume": np.int64,
    }
    return [np.array([getattr(bar, name) for bar in bars], kind).tobytes() for name, kind in kinds.items()]


@pytest.mark.parametrize("hours", [INDEX, GRAINS], ids=["index", "grains"])
@given(arrived=arrivals())
@settings(max_examples=150, deadline=None)
@pytest.mark.statement(44)
def test_stream_and_arrays_are_the_same_bytes(hours, arrived):
    prints, marks = arrived
    ts, price, size = (np.array(column) for column in zip(*prints, strict=True))
    builder, closed = streamed(prints, marks, hours)
    plain, closed_plain = streamed(prints, marks, hours, many=True)
    for text in TIMEFRAMES:
        arrays = aggregate_ticks(ts, price, size, text, hours, np.array(marks))
        assert stream_bytes(closed, text) == as_bytes(arrays.bars), text
        assert builder.late[text] == len(arrays.late), text
        without = aggregate_ticks(ts, price, size, text, hours)
        assert stream_bytes(closed_plain, text) == as_bytes(without.bars), text
        assert plain.late[text] == len(without.late), text


@given(arrived=arrivals(), looks=st.sets(st.integers(0, 60)))
@settings(max_examples=60, deadline=None)
def test_looking_at_a_forming_bar_changes_nothing(arrived, looks):
    prints, marks = arrived
    _, expected = streamed(prints, marks, INDEX)
    builder, closed = BarBuilder(TIMEFRAMES, INDEX, "CON.F.US.EP.Z24"), []
    for row, ((ts, price, size), mark) in enumerate(zip(prints, marks, strict=True)):
        if row in looks:
            for text in TIMEFRAMES:
                builder.partial(text)
        closed += builder.advance(mark) if mark else []
        closed += builder.add(ts, price, size)
    assert closed + builder.advance(2**61) == expected


@given(arrived=arrivals())
@settings(max_examples=60, deadline=None)
def test_bars_close_in_order_and_never_twice(arrived):
    _, closed = streamed(*arrived, INDEX)
    for text in TIMEFRAMES:
        starts = [bar.start for bar in closed if bar.timeframe == text]
        assert starts == sorted(set(starts))
    assert all(bar.start < bar.end <= bar.at for bar in closed)


def test_shorter_bars_come_before_longer_ones_that_end_with_them():
    builder = BarBuilder(["5m", "1m"], None, "X")
    builder.add(4 * MINUTE, 1.0, 1)
    assert [bar.timeframe for bar in builder.advance(5 * MINUTE)] == ["1m", "5m"]


def test_the_clock_closes_a_silent_bar_exactly_at_its_end():
    builder = BarBuilder(["1m"], None, "X")
    builder.add(0, 1.0, 1)
    assert builder.advance(MINUTE - 1) == []
    [bar] = builder.advance(MINUTE)
    assert (bar.start, bar.end, bar.at) == (0, MINUTE, MINUTE)
    assert builder.advance(2 * MINUTE) == []
    assert builder.partial("1m") is None


def test_a_clock_that_steps_back_is_ignored():
    builder = BarBuilder(["1m"], None, "X")
    builder.advance(5 * MINUTE)
    builder.advance(0)
    builder.add(0, 1.0, 1)
    assert builder.late == {"1m": 1}


def test_partial_shows_the_forming_bar():
    builder = BarBuilder(["1m", "1h"], None, "X")
    builder.add(10, 2.0, 3)
    builder.add(20, 1.0, 1)
    bar = builder.partial("1h")
    assert (bar.start, bar.end, bar.open, bar.high, bar.low, bar.close, bar.volume) == (
        0,
        HOUR,
        2.0,
        2.0,
        1.0,
        1.0,
        4,
    )


def test_a_primed_bar_goes_on_where_it_stopped():
    builder = BarBuilder(["1m"], None, "X")
    builder.prime(
        "1m",
        FormingBar(
            contract="X",
            timeframe="1m",
            start=0,
            end=MINUTE,
            open=5.0,
            high=9.0,
            low=4.0,
            close=6.0,
            volume=7,
        ),
    )
    builder.add(30 * SECOND, 3.0, 1)
    [bar] = builder.advance(MINUTE)
    assert (bar.open, bar.high, bar.low, bar.close, bar.volume) == (
        5.0,
        9.0,
        3.0,
        3.0,
        8,
    )


def test_a_bar_that_is_final_or_off_the_boundary_cannot_be_primed():
    builder = BarBuilder(["1m"], None, "X")
    builder.advance(MINUTE)
    bar = FormingBar(
        contract="X",
        timeframe="1m",
        start=0,
        end=MINUTE,
        open=1,
        high=1,
        low=1,
        close=1,
        volume=1,
    )
    with pytest.raises(InputError, match="it is final"):
        builder.prime("1m", bar)
    with pytest.raises(InputError, match="its bar starts at"):
        builder.prime(
            "1m",
            FormingBar(
                contract="X",
                timeframe="1m",
                start=5,
                end=6,
                open=1,
                high=1,
                low=1,
                close=1,
                volume=1,
            ),
        )


def test_a_discarded_bar_starts_anew():
    builder = BarBuilder(["1m"], None, "X")
    builder.add(0, 1.0, 1)
    builder.discard("1m")
    builder.add(1, 2.0, 1)
    [bar] = builder.advance(MINUTE)
    assert (bar.open, bar.volume) == (2.0, 1)


def test_unknown_timeframes_and_stamps_outside_the_calendar_are_refused():
    with pytest.raises(InputError, match="at least one timeframe"):
        BarBuilder([], None, "X")
    with pytest.raises(InputError, match="does not build 5m bars; it builds 1m"):
        BarBuilder(["1m"], None, "X").partial("5m")
    with pytest.raises(InputError, match="trading hours are needed"):
        BarBuilder(["4h"], None, "X")
    with pytest.raises(InputError, match="leaves the trading calendar"):
        BarBuilder(["4h"], INDEX, "X").add(1, 1.0, 1)
