"""A rule explains itself: values and truth of every part, and what kept an entry back."""

from __future__ import annotations

import json
import math
from datetime import UTC, date, datetime

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.rules.build import MES, strategy_text
from tests.rules.series import HOURS, random_inputs
from workbench.domain.errors import InputError
from workbench.domain.events import BarClosed
from workbench.domain.hours import at_local
from workbench.domain.timeframe import timeframe
from workbench.rules import Strategy, explain, parse_strategy
from workbench.rules.explanation import Part
from workbench.rules.inputs import Inputs

CLOSES = [10.0, 12.0, 11.0, 11.0, 15.0]


def inputs(closes: list[float] = CLOSES, *, text: str = "1m", start: str = "08:30") -> Inputs:
    """Bars from Tuesday 2 September 2025 with these closes; each opens at the close before."""
    frame = timeframe(text)
    starts = at_local(date(2025, 9, 2), start) + np.arange(len(closes), dtype=np.int64) * frame.length
    close = np.array(closes)
    open_ = np.concatenate([close[:1], close[:-1]])
    return Inputs(
        starts=starts,
        ends=frame.bar_ends(starts, HOURS),
        open=open_,
        high=np.maximum(open_, close),
        low=np.minimum(open_, close),
        close=close,
        volume=np.full(len(closes), 10.0),
        hours=HOURS,
    )


def strategy(**sections: str) -> Strategy:
    return parse_strategy(strategy_text(**sections))


def test_every_part_has_its_value_and_truth() -> None:
    made = strategy(entry="{long: 'close > sma(close, n) + 1 and not close > high[1]'}", parameters="{n: {default: 2}}")
    found = made.explain(inputs(), 2)
    whole = found.rules["entry.long"]
    # closes 10, 12, 11: the average of the last two is 11.5, the high before is 12
    assert whole.holds is False
    first, second = whole.parts
    assert (first.text, first.holds, first.note) == ("(close > (sma(close, n) + 1))", False, "11 > 12.5")
    assert first.parts[0] == Part("close", 11.0)
    assert first.parts[1].value == 12.5 and first.parts[1].parts[0] == Part("sma(close, n)", 11.5)
    assert second.holds is True and second.parts[0].holds is False
    assert found.verdicts["entry.long"] == "false: (close > (sma(close, n) + 1)) (11 > 12.5)"


def test_what_is_not_known_yet_is_said() -> None:
    found = strategy(entry="{long: 'close > sma(close, 4)'}").explain(inputs(), 1)
    part = found.rules["entry.long"]
    assert part.holds is None and part.parts[1].value is None
    assert found.verdicts["entry.long"] == "not known yet: (close > sma(close, 4)) (12 > unknown)"
    assert not found.hurdles["entry.long"][0].passes


def test_a_cross_shows_both_bars() -> None:
    found = strategy(entry="{long: 'cross_above(close, 12)'}").explain(inputs(), -1)
    part = found.rules["entry.long"]
    assert part.holds and [(p.text, p.value) for p in part.parts] == [("close", 15.0), ("close[1]", 11.0)]
    assert found.verdicts["entry.long"] == "true: enters 1 contract(s) at the next open"


@pytest.mark.parametrize(
    ("sections", "hurdle", "words"),
    [
        ({"trading": "{window: ['09:00', '10:00']}"}, "window", "outside of every day 09:00 to 10:00"),
        ({"trading": "{flat_by: '08:35'}"}, "flat_by", "08:35: the next close would come after it"),
        ({"stop": "{points: open - close}"}, "stop", "-16 ticks is no distance"),  # 4 points of 0.25
        ({"stop": "{ticks: 50}", "sizing": "{risk_usd: 60, max_contracts: 5}"}, "size", "0 contracts"),
        ({"entry": "{long: 'close > open', short: 'close > 14'}"}, "both sides", "neither is taken"),
        ({"entry": "{long: 'close > open or sma(close, 9) > 0'}"}, "history", "5 bars, 9 needed"),
    ],
)
def test_what_kept_an_entry_back_is_named(sections: dict[str, str], hurdle: str, words: str) -> None:
    found = strategy(**({"entry": "{long: 'close > open'}"} | sections)).explain(inputs(), -1)
    assert found.rules["entry.long"].holds
    assert f"kept back by {hurdle}" in found.verdicts["entry.long"] and words in found.verdicts["entry.long"]


def test_trades_tell_position_cool_down_and_the_days_count() -> None:
    made = strategy(entry="{long: 'close > open'}", trading="{cooldown: 3, max_trades_per_day: 2}")
    bars = inputs([1.0, 2, 3, 4, 5, 6, 7, 8])
    assert "unless max_trades_per_day or cooldown" in made.explain(bars, -1).verdicts["entry.long"]
    at = bars.starts

    def trades(*spans: tuple[int, int | None]) -> pd.DataFrame:
        exits = [pd.NaT if b is None else pd.Timestamp(at[b], tz="UTC") for _, b in spans]
        entries = [pd.Timestamp(at[a], tz="UTC") for a, _ in spans]
        return pd.DataFrame({"entry_at": entries, "exit_at": pd.to_datetime(exits, utc=True), "side": "long"})

    def blocked(*spans: tuple[int, int | None]) -> list[str]:
        found = made.explain(bars, 7, trades=trades(*spans))
        return [h.name for h in found.hurdles["entry.long"] if h.passes is False]

    assert blocked((6, None)) == ["position", "cooldown"]
    assert blocked((4, 5)) == ["cooldown"]  # out within bar 5; two more closes without a position
    assert blocked((3, 4)) == []
    assert blocked((1, 2), (2, 3)) == ["max_trades_per_day"]
    held = trades((4, None)).assign(side="short")
    assert made.explain(bars, 7, trades=held).verdicts["entry.long"].endswith("what is held on the other side is left")


def test_higher_bars_and_times_say_when_they_closed() -> None:
    made = strategy(
        timeframe="1h",
        entry='{long: \'tf("4h").close > 0 and between(time, "09:30", "16:00", "America/New_York")\'}',
    )
    part = made.explain(inputs([1.0, 2, 3, 4, 5, 6, 7, 8], text="1h", start="05:00"), 4).rules["entry.long"]
    higher, times = part.parts
    assert higher.parts[0].value == 4.0 and higher.parts[0].note == "4h bar that closed Tue 2025-09-02 09:00"
    assert times.note == "the bar closes at 11:00 America/New_York" and times.holds


@pytest.mark.parametrize(
    "at",
    [
        4,
        -1,
        at_local(date(2025, 9, 2), "08:34"),
        "2025-09-02 08:34",
        "2025-09-02T13:34:30+00:00",
        datetime(2025, 9, 2, 13, 34, tzinfo=UTC),
        pd.Timestamp("2025-09-02 08:34", tz="America/Chicago"),
    ],
)
def test_a_bar_is_named_by_row_or_by_any_instant_in_it(at: object) -> None:
    found = strategy().explain(inputs(), at)
    assert found.row == 4 and found.bar == "Tue 2025-09-02 08:34 – 08:35"


@pytest.mark.parametrize(
    ("at", "message"),
    [
        (5, "there is no row 5; the bars have 5"),
        (-6, "there is no row -6"),
        ("2025-09-02 09:00", "no bar holds Tue 2025-09-02 09:00; the bars are from Tue 2025-09-02 08:30 to"),
        ("yesterday", "is not a time"),
        (None, "is not a time"),
    ],
)
def test_a_bar_that_is_not_there_is_refused(at: object, message: str) -> None:
    with pytest.raises(InputError, match=message):
        strategy().explain(inputs(), at)


def test_frames_of_both_kinds_are_taken() -> None:
    bars = inputs()
    columns = {name: getattr(bars, name) for name in ("open", "high", "low", "close", "volume")}
    stamps = pd.DatetimeIndex(bars.starts, tz="UTC")
    polar = pl.DataFrame({"ts": bars.starts, **columns}).with_columns(pl.col("ts").cast(pl.Datetime("ns", "UTC")))
    frames = [
        pd.DataFrame(columns, index=stamps),
        pd.DataFrame({"ts": stamps, **columns}),
        pd.DataFrame(columns, index=stamps.tz_convert("America/New_York")),
        polar,
    ]
    expected = repr(strategy().explain(bars, -1))
    assert [repr(strategy().explain(frame, -1)) for frame in frames] == [expected] * 4
    with pytest.raises(InputError, match="no column volume"):
        strategy().explain(frames[0].drop(columns="volume"))
    with pytest.raises(InputError, match="no bars"):
        strategy().explain(frames[0].iloc[:0])
    with pytest.raises(InputError, match="time index"):
        strategy().explain(pd.DataFrame(columns))


def test_shorter_bars_are_not_explained_as_if_they_were_the_strategys() -> None:
    bars = inputs([10.0] * 12, text="1m")
    columns = {name: getattr(bars, name) for name in ("open", "high", "low", "close", "volume")}
    frame = pd.DataFrame(columns, index=pd.DatetimeIndex(bars.starts, tz="UTC"))
    with pytest.raises(InputError, match="60 s apart, probe decides on 5m bars; give those, or ask the result"):
        strategy(timeframe="5m").explain(frame)


def test_the_tree_is_written_for_people_notebooks_and_programs() -> None:
    found = strategy(entry="{long: 'close > open and close < 5'}").explain(inputs(), -1)
    assert repr(found).splitlines()[3:6] == [
        "  ✗ ((close > open) and (close < 5))",
        "  ├─ ✓ (close > open)  (15 > 11)",
        "  │  ├─ close = 15",
    ]
    page = found._repr_html_()
    assert page.count("<details open>") == 1 and "&gt;" in page and "(close > open)" not in page
    packed = json.loads(json.dumps(found.as_dict()))
    assert packed["rules"]["entry.long"]["parts"][1]["holds"] is False


def test_many_bars_give_what_few_do(monkeypatch: pytest.MonkeyPatch) -> None:
    made = strategy(
        timeframe="1h",
        entry="{long: 'tf(\"4h\").sma(close, 3) < close', short: 'any(bars_since(close > open) > 2, 4)'}",
        stop="{atr: 2}",
    )
    bars = random_inputs(5, text="1h", bars=150)
    streamed = repr(made.explain(bars, 120))
    monkeypatch.setattr(explain, "_STREAMED", 10)
    assert repr(made.explain(bars, 120)) == streamed


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.integers(30, 119))
def test_it_says_enters_where_the_rule_enters(seed: int, row: int) -> None:
    made = strategy(
        timeframe="1h",
        entry="{long: 'close > open', short: 'close < sma(close, 4)'}",
        stop="{points: close - low - 0.5}",
        trading="{windows: [{days: Mon-Thu, from: 9:30, to: 16:00, zone: America/New_York}], flat_by: 15:05}",
    )
    bars = random_inputs(seed, text="1h", bars=120)
    state, signal = made.start(), None
    columns = (bars.starts, bars.ends, bars.open, bars.high, bars.low, bars.close)
    for s, e, o, h, lo, c in list(zip(*(x.tolist() for x in columns), strict=True))[: row + 1]:
        closed = BarClosed(
            at=e, contract=MES, timeframe="1h", start=s, end=e, open=o, high=h, low=lo, close=c, volume=1
        )
        signal = state.on_bar(closed)
    found = made.explain(bars, row)
    said = {name: "enters" in text for name, text in found.verdicts.items()}
    entered = signal.rule if signal is not None and signal.entry else ""
    assert said == {"entry.long": entered == "entry.long", "entry.short": entered == "entry.short"}
    for part in found.rules.values():
        assert all(p.value is None or math.isfinite(p.value) for p in part.parts)
