"""A recorded session, replayed from its market data alone, decides the same; what differs is told by cause."""

from __future__ import annotations

import asyncio
import random
from decimal import Decimal
from pathlib import Path

import msgspec
import polars as pl
import pytest

from tests.rules.build import strategy_text
from tests.services.stack import ACCOUNT, Stack, stack
from workbench.backtest.costs import Costs
from workbench.backtest.prepared import Prepared
from workbench.backtest.series import series
from workbench.backtest.session_replay import SessionReplay
from workbench.domain import events as e
from workbench.domain.bar import ticks_schema
from workbench.domain.clock import MINUTE, SECOND
from workbench.domain.commands import ModifyOrder
from workbench.domain.contract import parse_contract
from workbench.domain.errors import InputError, UnknownName
from workbench.domain.timeframe import timeframe
from workbench.ingestion.aggregate import bars_from_ticks
from workbench.rules import parse_strategy
from workbench.services.session_replay import BARS, DELAY_NS, IN_PARTS, PRINTS, SessionReplayed, replay_session
from workbench.simulator.config import Matching
from workbench.storage.bars import BarStore
from workbench.storage.home import Home
from workbench.storage.journal import Journal, Record, read_journal
from workbench.storage.registry import Registry
from workbench.storage.ticks import TickStore

pytestmark = pytest.mark.statement(49)
MES = "CON.F.US.MES.Z26"
OPEN = 1_795_446_000 * SECOND  # Monday 23 November 2026, 09:00 Chicago
MINUTES = 120
RULES = strategy_text(
    entry="{long: 'cross_above(close, sma(close, 4))', short: 'cross_below(close, sma(close, 4))'}",
    stop="{ticks: 30}",
    trail="{ticks: 20}",
)


# --- a session that was recorded in this process: fast ---


def prints(seed: int = 3) -> pl.DataFrame:
    chance, price, rows = random.Random(seed), 24_000, []
    for n in range(MINUTES * 12):
        price += chance.randrange(-6, 7)
        rows.append((OPEN + n * 5 * SECOND + chance.randrange(SECOND), price / 4, 1 + chance.randrange(9), 0, 0))
    schema = ticks_schema()
    return pl.DataFrame(rows, schema={**schema, "ts": pl.Int64}, orient="row").cast({"ts": schema["ts"]})


def bars_from(frame: pl.DataFrame) -> pl.DataFrame:
    columns = (frame[name].to_numpy() for name in ("price", "size"))
    return bars_from_ticks(frame["ts"].cast(pl.Int64).to_numpy(), *columns, "1m", None)


@pytest.fixture
def recorded(tmp_path: Path) -> Home:
    """A home with a session of two hours: its journal, its prints and its bars."""
    home, contract = Home(tmp_path), parse_contract(MES)
    strategy = parse_strategy(RULES)
    Registry(home).register(strategy, at=1)
    frame = prints()
    TickStore(home.market).append(contract, frame)
    bars = bars_from(frame)
    BarStore(home.market).write(contract, "1m", bars, source="test")
    from workbench.backtest.inner import with_inner

    data = with_inner(series(bars, contract, timeframe("1m")), frame)
    begun = e.RunnerStarted(at=OPEN, epoch=1, uid="abc")
    started = e.SessionStarted(
        at=OPEN + 20 * MINUTE, session="s1", strategy=strategy.version, contract=MES, timeframe="1m", parameters={}
    )
    arrivals = {bar.end: bar.end + SECOND // 5 for bar in data.events()}
    live = SessionReplay(
        Prepared(series=data, costs=Costs(slippage_ticks=0)), strategy.start, begun, started, [], arrivals, DELAY_NS
    )
    journal = Journal(home.account(1) / "journal.wbj")
    for event, commands in live.run():
        journal.append(event, list(commands))  # type: ignore[arg-type]
    journal.close()
    return home


def change(home: Home, how: object) -> None:
    """Write the journal again with each record as `how` leaves it (None: left out)."""
    path = home.account(1) / "journal.wbj"
    records = [how(n, record) for n, record in enumerate(read_journal(path))]  # type: ignore[operator]
    path.unlink()
    journal = Journal(path)
    for record in records:
        if record is not None:
            journal.append(record.event, record.commands)
    journal.close()


def adds_up(done: SessionReplayed) -> bool:
    return sum(done.by_cause().values(), Decimal(0)) == done.live.net_usd - done.again.net_usd


def test_from_prints_a_session_is_the_same_to_the_cent(recorded: Home) -> None:
    done = replay_session(recorded, "s1", source=PRINTS)
    kinds = {d.kind for d in done.live.decisions}
    assert kinds == {"entry", "exit", "stop"} and len(done.live.trips) > 10
    assert done.is_same and done.filled == () and done.unlike == ()
    assert "all the same" in str(done) and done.facts()["same"]


def test_from_stored_bars_the_worst_path_may_cost_more_and_every_dollar_has_a_cause(recorded: Home) -> None:
    done = replay_session(recorded, "s1", source=BARS)
    assert done.unlike == () and adds_up(done)
    entries = [d for d in done.live.decisions if d.kind == "entry"]
    differ = [d for d in done.decided if d.text.startswith("only live: entry")]
    assert len(differ) < len(entries) / 2, "bars know less of the stops; entries are much the same"


def test_a_bar_that_came_too_late_was_seen_and_not_acted_on_in_the_replay_either(recorded: Home) -> None:
    entry = next(d for d in replay_session(recorded, "s1").live.decisions if d.kind == "entry")

    def late(_: int, record: Record) -> Record:
        event = record.event
        if isinstance(event, e.BarClosed) and event.end == entry.bar:
            return Record(msgspec.structs.replace(event, at=event.end + 50 * SECOND), [])
        return record

    change(recorded, late)
    done = replay_session(recorded, "s1")
    assert done.late == 1
    assert not [d for d in done.again.decisions if d.bar == entry.bar]


def test_a_print_that_was_recorded_otherwise_is_a_difference_of_the_data(tmp_path: Path, recorded: Home) -> None:
    wrong = prints().with_columns(
        price=pl.when(pl.int_range(pl.len()) % 100 == 99).then(pl.col("price") + 25).otherwise(pl.col("price"))
    )
    other = Home(tmp_path / "other")
    for folder in ("accounts", "versions"):
        (other.path / folder).parent.mkdir(exist_ok=True)
        (recorded.path / folder).rename(other.path / folder)
    TickStore(other.market).append(MES, wrong)
    done = replay_session(other, "s1")
    assert done.unlike and "the journal" in done.unlike[0]
    assert {d.cause for d in done.decided} <= {"data"} and done.decided
    assert adds_up(done)


def test_other_fees_and_other_prices_are_told_apart(recorded: Home) -> None:
    def dearer(n: int, record: Record) -> Record:
        if not isinstance(record.event, e.FillReported):
            return record
        fill = record.event.fill
        ticks = fill.ticks + (1 if fill.qty > 0 else 0)
        changed = msgspec.structs.replace(fill, ticks=ticks, fees=fill.fees + Decimal("0.10"))
        return Record(msgspec.structs.replace(record.event, fill=changed), record.commands)

    change(recorded, dearer)
    done = replay_session(recorded, "s1")
    assert done.is_same, "what was decided is in the commands"
    trips = len([t for t in done.live.trips if t.exit_ticks is not None])
    by_cause = done.by_cause()
    # each trip buys once and so pays one tick (1.25) more, and 0.10 more on both of its fills
    assert by_cause["fill price"] == Decimal("-1.25") * len(done.live.trips) or trips < len(done.live.trips)
    assert by_cause["fee"] == Decimal("-0.10") * sum(1 + (t.exit_ticks is not None) for t in done.live.trips)
    assert set(by_cause) == {"fill price", "fee"} and adds_up(done)


def test_orders_that_were_filled_in_parts_are_counted_and_what_they_change_says_so(recorded: Home) -> None:
    path, parts = recorded.account(1) / "journal.wbj", 2
    whole = replay_session(recorded, "s1")
    first, second = whole.live.trips[:2]
    records = list(read_journal(path))
    path.unlink()
    journal = Journal(path)
    for record in records:
        event, commands = record.event, record.commands
        if isinstance(event, e.BarClosed) and first.bar < event.end <= first.exit_at:
            commands = [c for c in commands if not isinstance(c, ModifyOrder)]
        journal.append(event, commands)
        if isinstance(event, e.FillReported) and parts:  # both orders of the first trip bring another contract, dearer
            parts -= 1
            more = msgspec.structs.replace(event.fill, trade_id=10**9 + parts, ticks=event.fill.ticks + 1)
            journal.append(msgspec.structs.replace(event, fill=more), [])
    journal.close()
    done = replay_session(recorded, "s1")
    assert (whole.in_parts, done.in_parts, done.facts()["orders_filled_in_parts"]) == (0, 2, 2)
    assert "2 filled in parts" in str(done) and "in parts" not in str(whole)
    assert done.decided and all(first.bar < d.bar < second.bar and d.text.endswith(IN_PARTS) for d in done.decided)


def test_an_order_that_nothing_explains_is_a_difference_of_the_signal(recorded: Home) -> None:
    found = {"left": 3}

    def without(_: int, record: Record) -> Record:
        if any(type(c).__name__ == "PlaceOrder" for c in record.commands):
            found["left"] -= 1
            if found["left"] == 0:
                return Record(record.event, [])
        return record

    change(recorded, without)
    done = replay_session(recorded, "s1")
    assert [d.cause for d in done.decided] == ["signal"] and done.decided[0].text.startswith("only replay: entry")
    assert not done.is_same


def test_what_cannot_be_replayed_says_why(recorded: Home, tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match="did you mean s1"):
        replay_session(recorded, "s2")
    with pytest.raises(UnknownName, match="source"):
        replay_session(recorded, "s1", source="dreams")
    (recorded.market / "ticks").rename(tmp_path / "away")
    with pytest.raises(InputError, match=r"no recorded prints .* replay it from stored bars"):
        replay_session(recorded, "s1")


# --- sessions that the whole stack has recorded: the simulator, the desk, runner and ingest as processes ---


async def pause(made: Stack, at: int) -> None:
    await made.until("that time", lambda: made.simulator.exchange.now >= at, 300)
    made.simulator.clock.pause(True)


def go_on(made: Stack) -> None:
    made.simulator.clock.pause(False)
    made.simulator.pump.wake()


def heard(made: Stack) -> list[tuple[str, list[str]]]:
    """What each connection to the hubs listens to."""
    return sorted((c.hub, sorted(map(str, c.topics))) for c in made.simulator.hubs.connections if c.topics)


async def all_heard(made: Stack, before: list[tuple[str, list[str]]]) -> None:
    """Wait until everybody listens again; a market that goes on before has told them nothing meanwhile."""
    await made.until("the hubs are heard again", lambda: heard(made) == before)
    view = made.runner_view
    await made.until("the account is read", lambda: bool(view().get("account", {}).get("synced")))
    await asyncio.sleep(1.0)  # the bars that were missed come from history


async def restart(made: Stack) -> None:
    before, pid = heard(made), made.kill_runner()
    runner = made.desk.runners[ACCOUNT]
    await made.until("the runner is back", lambda: runner.state == "running" and runner.pid != pid)
    await all_heard(made, before)


async def reconnect(made: Stack) -> None:
    before = heard(made)
    made.simulator.faults.set("drop_hub", hub="both")
    await made.until("the hubs are dropped", lambda: heard(made) != before)
    await all_heard(made, before)


async def record(folder: Path, seed: int, minutes: int, happens: list[str]) -> tuple[Home, str, int]:
    """Trade so many minutes of market; return home, session and how many orders the broker had of it."""
    parts = "parts" in happens
    matching = Matching(part_fills=parts, market_on="print")  # as the matcher of the replay does
    async with stack(folder, lockstep=True, seed=seed, chunk_s=20, matching=matching) as made:
        made.simulator.clock.pause(True)
        begin = made.simulator.exchange.now
        session = (await made.start(fast=2, slow=4, contracts=5 if parts else 1))["session"]
        hubs, prints = made.simulator.hubs, ("GatewayTrade", MES)
        await made.until("both hear it", lambda: sum(prints in c.topics for c in hubs.connections) == 2)
        go_on(made)
        for n, what in enumerate(w for w in happens if w != "parts"):
            await pause(made, begin + (20 + 25 * n) * MINUTE)
            await {"restart": restart, "reconnect": reconnect}[what](made)
            go_on(made)
        await made.until("the end", lambda: made.simulator.exchange.now >= begin + minutes * MINUTE, 400)
        orders = [o for o in made.simulator.exchange.orders.values() if o.account == ACCOUNT]
        if parts:
            trades = made.simulator.exchange.accounts[ACCOUNT].trades
            assert len(trades) > len({t.order for t in trades}), "an order was filled in parts"
        return made.home, session, len(orders)


SCENES = {
    "undisturbed": (7, []),
    "parts": (12, ["parts"]),
    "restart": (9, ["restart"]),
    "reconnect": (10, ["reconnect"]),
    "all of it": (13, ["parts", "restart", "reconnect"]),
}


@pytest.fixture(scope="module")
def sessions(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Home, str, int]]:
    """Every scene's home, session and count of orders; recorded side by side, since each waits most of the time."""
    places = {name: tmp_path_factory.mktemp("recorded") for name in SCENES}
    at_once = asyncio.Semaphore(3)

    async def one(name: str) -> tuple[Home, str, int]:
        async with at_once:
            seed, happens = SCENES[name]
            return await record(places[name], seed, 100, happens)

    async def every() -> list[tuple[Home, str, int]]:
        return await asyncio.gather(*(one(name) for name in SCENES))

    return dict(zip(SCENES, asyncio.run(every()), strict=True))


@pytest.mark.slow
@pytest.mark.chaos
@pytest.mark.timeout(900)  # for the first, which waits for all recordings
@pytest.mark.parametrize("scene", SCENES)
def test_a_recorded_paper_session_decides_the_same_again(
    sessions: dict[str, tuple[Home, str, int]], scene: str
) -> None:
    home, session, orders = sessions[scene]
    assert orders >= 50
    for source in (PRINTS, BARS):
        done = replay_session(home, session, source=source)
        by_fills = [d for d in done.decided if d.cause in ("fill price", "timing") and ": exit " in d.text]
        if "parts" in SCENES[scene][1]:  # the replay fills whole, so a stop may stand elsewhere and take one out first
            assert list(done.decided) == by_fills and len(by_fills) <= 2, str(done)
            assert all(d.text.endswith(IN_PARTS) for d in by_fills), str(done)
            assert done.in_parts > 0
        else:
            assert done.is_same and done.in_parts == 0, str(done)
        assert adds_up(done)
        assert all("volume" in text for text in done.unlike), "a hub that comes back may tell a print again"
        assert {d.cause for d in done.filled} <= {"fill price", "timing", "fee"}
        assert len([d for d in done.live.decisions if d.kind == "entry"]) >= 15
