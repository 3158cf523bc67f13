"""Lives of the stores: any order of writes, live appends, settles, compactions and reopenings keeps what was put in."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import polars as pl
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from tests.storage.market_frames import CONTRACT, MINUTE, MONDAY, bars, ticks
from workbench.storage.bars import BarStore
from workbench.storage.ticks import TickStore

HOUR = 60 * MINUTE
ALL = {seed: bars(2000, start=MONDAY - MONDAY % HOUR, step=HOUR, seed=seed) for seed in (1, 2)}
TAPE = ticks(3000)


class BarLife(RuleBasedStateMachine):
    """The store against a dictionary of bar starts."""

    def __init__(self) -> None:
        super().__init__()
        self.root = Path(tempfile.mkdtemp(prefix="workbench-test-"))
        self.store, self.model = BarStore(self.root), dict[int, tuple]()

    def teardown(self) -> None:
        shutil.rmtree(self.root)

    def remember(self, frame: pl.DataFrame) -> None:
        self.model |= {row[0]: row for row in frame.with_columns(pl.col("ts").to_physical()).iter_rows()}

    @rule(seed=st.sampled_from([1, 2]), at=st.integers(0, 1900), count=st.integers(1, 900))
    def write(self, seed: int, at: int, count: int) -> None:
        frame = ALL[seed][at : at + count]
        known = {row: self.model.get(row) for row in frame["ts"].to_physical()}
        report = self.store.write(CONTRACT, "1h", frame, source="test")
        self.remember(frame)
        assert report.written == sum(row is None for row in known.values())
        assert report.replaced == sum(row is not None and row != self.model[at] for at, row in known.items())

    @rule(seed=st.sampled_from([1, 2]), at=st.integers(0, 1900), count=st.integers(1, 20))
    def append_live(self, seed: int, at: int, count: int) -> None:
        self.store.append_live(CONTRACT, "1h", ALL[seed][at : at + count])
        self.remember(ALL[seed][at : at + count])

    @rule()
    def settle(self) -> None:
        self.store.settle(CONTRACT, "1h")

    @rule()
    def compact(self) -> None:
        self.store.compact(CONTRACT, "1h", kept_hours=0)

    @rule()
    def reopen(self) -> None:
        self.store = BarStore(self.root)

    @invariant()
    def holds_what_was_put_in(self) -> None:
        expected = [self.model[at] for at in sorted(self.model)]
        for store in (self.store, BarStore(self.root)):
            assert store.read(CONTRACT, "1h").with_columns(pl.col("ts").to_physical()).rows() == expected
            assert sum(entry.rows for entry in store.coverage()) == len(expected)


class TickLife(RuleBasedStateMachine):
    """The store against a list of prints in order of arrival."""

    def __init__(self) -> None:
        super().__init__()
        self.root = Path(tempfile.mkdtemp(prefix="workbench-test-"))
        self.store, self.model, self.batches = TickStore(self.root), [TAPE.clear()], set[str]()

    def teardown(self) -> None:
        shutil.rmtree(self.root)

    @rule(at=st.integers(0, 2900), count=st.integers(1, 500))
    def append_live(self, at: int, count: int) -> None:
        self.store.append_live(CONTRACT, TAPE[at : at + count])
        self.model.append(TAPE[at : at + count])

    @rule(at=st.integers(0, 2900), count=st.integers(1, 500), batch=st.sampled_from(["a", "b", None]))
    def append(self, at: int, count: int, batch: str | None) -> None:
        self.store.append(CONTRACT, TAPE[at : at + count], batch=batch)
        if batch not in self.batches:
            self.model.append(TAPE[at : at + count])
        if batch is not None:
            self.batches.add(batch)

    @rule()
    def settle(self) -> None:
        self.store.settle(CONTRACT)

    @rule()
    def compact(self) -> None:
        self.store.compact(CONTRACT, kept_hours=0)

    @rule()
    def reopen(self) -> None:
        self.store = TickStore(self.root)

    @invariant()
    def holds_what_was_put_in_order(self) -> None:
        expected = pl.concat(self.model)
        assert TickStore(self.root).read(CONTRACT).equals(expected)
        assert sum(entry.rows for entry in self.store.coverage()) == expected.height


BarLife.TestCase.settings = TickLife.TestCase.settings = settings(
    max_examples=15, stateful_step_count=12, deadline=None
)
TestBarLife, TestTickLife = BarLife.TestCase, TickLife.TestCase
