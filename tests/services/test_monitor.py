"""The global monitor and the shares of the limits over all accounts: sums, what is missing, and no share too many."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.execution.limit_scenes import (
    ES,
    MES,
    MNQ,
    START,
    USD,
    enter,
    holding,
    linked,
    price,
    refuses_a_person,
    started,
    takes,
)
from workbench.domain import events as e
from workbench.domain.clock import SECOND
from workbench.services import budgets
from workbench.services.budgets import body_of, lease_once
from workbench.services.monitor import STOP_USD, Lease, leases, monitor
from workbench.services.snapshot import account_dict, session_dicts
from workbench.storage.home import Home

Json = dict[str, Any]


def row(limit: str, rows: list[Json]) -> Json:
    (found,) = (each for each in rows if each["limit"] == limit)
    return found


def account(number: int, **more: object) -> Json:
    base = {"account": number, "equity_usd": 50_000.0, "balance_usd": 50_000.0, "day_pnl_usd": 0.0, "open_usd": 0.0}
    return {**base, "drawdown_usd": 0.0, "exposure": [], "headroom": [], "sessions": [], **more}


def held(contract: str, group: str, qty: int, micros: int, worst: int, notional: float | None) -> Json:
    return {
        "contract": contract, "group": group, "qty": qty, "worst": abs(qty), "micros": micros, "worst_micros": worst,
        "notional_usd": notional,
    }  # fmt: skip


# --- what a runner tells ----------------------------------------------------------------------------------------------


def test_an_account_tells_headroom_exposure_and_drawdown_from_its_journalled_baseline() -> None:
    ride = linked(holding(2, max_drawdown_usd=USD(400), floor_buffer_usd=USD(50)), floor=48_500)
    price(ride, START + 40, times=3)  # best: 100 − 0.74
    price(ride, START - 40)  # −100 − 0.74
    told = account_dict(ride.state)
    assert told["headroom"][0] == {
        "limit": "daily_loss", "scope": "account", "used_usd": 100.74, "limit_usd": 1000.0, "left_usd": 899.26,
        "left_percent": 89.9,
    }  # fmt: skip
    floor = row("maximum_loss", told["headroom"])
    # equity 49,899.26, level 48,550: 1,349.26 are left of 2,000
    assert (floor["left_usd"], floor["limit_usd"], floor["left_percent"]) == (1349.26, 2000.0, 67.5)
    day = row("programme_daily_loss", told["headroom"])
    assert (day["used_usd"], day["left_usd"]) == (100.74, 899.26)
    fall = row("max_drawdown", told["headroom"])
    assert (fall["used_usd"], fall["left_usd"], told["drawdown_usd"]) == (200.0, 200.0, 200.0)
    (mes,) = told["exposure"]
    assert (mes["contract"], mes["group"], mes["qty"], mes["micros"]) == (MES, "index", 2, 2)
    assert mes["notional_usd"] == 5990.0 * 5 * 2  # points × 5 USD × contracts


def test_a_figure_that_is_not_known_is_none_and_not_zero() -> None:
    ride = linked(holding(2))
    ride.feed(e.PriceSeen(at=ride.now, contract=MES, price=float("nan")))
    told = account_dict(ride.state)
    assert {each["left_usd"] for each in told["headroom"]} == {None}
    assert told["exposure"][0]["notional_usd"] is None


def test_each_limit_of_a_session_has_a_row_of_its_own() -> None:
    ride = holding(2, session_daily_loss_usd=USD(300), session_drawdown_usd=USD(200))
    price(ride, START - 40)
    rows = account_dict(ride.state)["headroom"]
    assert row("session_daily_loss", rows)["scope"] == "s1" and row("session_daily_loss", rows)["used_usd"] == 100.74
    assert row("session_drawdown", rows)["left_usd"] == 99.26


# --- over all ---------------------------------------------------------------------------------------------------------


def test_exposure_is_summed_by_contract_and_group_and_headroom_comes_nearest_first() -> None:
    first = account(
        1, day_pnl_usd=-100.0,
        exposure=[held(MES, "index", 2, 2, 3, 60_000.0), held(ES, "index", -1, -10, 10, -300_000.0)],
        headroom=[{"limit": "daily_loss", "left_percent": 90.0}, {"limit": "maximum_loss", "left_percent": 12.0}],
    )  # fmt: skip
    second = account(2, day_pnl_usd=40.0, exposure=[held(MES, "index", -1, -1, 1, -30_000.0)])
    told = monitor([first, second], {"daily_loss_usd": Decimal(500), "max_micros": 20})
    assert told["sum"]["day_pnl_usd"] == -60.0 and told["sum"]["equity_usd"] == 100_000.0
    assert told["contracts"][MES] == {"qty": 1, "micros": 1, "worst_micros": 4, "notional_usd": 30_000.0}
    assert told["groups"]["index"]["micros"] == -9 and told["sum"]["micros"] == 13
    assert told["sum"]["notional_usd"] == 390_000.0
    loss, size, nearest, _ = told["headroom"]
    assert (loss["scope"], loss["used_usd"], loss["left_usd"], loss["left_percent"]) == (
        "all accounts",
        60.0,
        440.0,
        88.0,
    )
    assert (size["used"], size["whole"], size["left"]) == (14, 20, 6)
    assert (nearest["account"], nearest["limit"]) == (1, "maximum_loss")


def test_an_account_that_tells_nothing_makes_the_sums_unknown() -> None:
    told = monitor([account(1), {"account": 2}], {"daily_loss_usd": Decimal(500)})
    assert told["sum"]["day_pnl_usd"] is None and told["sum"]["micros"] is None
    assert told["headroom"][0]["left_usd"] is None


def test_sessions_of_all_accounts_stand_in_one_list() -> None:
    ride = started()
    body = {**account_dict(ride.state), "sessions": session_dicts(ride.state, {})}
    assert [s["session"] for s in monitor([body, account(2)])["sessions"]] == ["s1"]


# --- shares (35) ------------------------------------------------------------------------------------------------------

amounts = st.lists(st.one_of(st.none(), st.integers(-200_000, 200_000)), min_size=1, max_size=6)


@pytest.mark.statement(35)
@given(amounts, st.integers(1, 300_000))
def test_all_shares_of_the_loss_together_stay_within_the_limit(cents: list[int | None], limit: int) -> None:
    days = [None if each is None else each / 100 for each in cents]
    whole = Decimal(limit) / 100
    made = leases(monitor([account(n, day_pnl_usd=day) for n, day in enumerate(days)]), {"daily_loss_usd": whole})
    lost = sum((-Decimal(str(day)) for day in days if day is not None and day < 0), Decimal(0))
    shares = [lease.daily_loss_usd for lease in made.values()]
    if lost >= whole:
        assert set(shares) == {STOP_USD}
        return
    assert all(share is not None and share >= 0 for share in shares)
    assert sum(share for share in shares if share is not None) <= whole


@pytest.mark.statement(35)
@given(st.lists(st.one_of(st.none(), st.integers(0, 40)), min_size=1, max_size=6), st.integers(1, 60))
def test_all_shares_of_the_micros_stay_within_the_limit_or_let_nobody_add(worst: list[int | None], limit: int) -> None:
    rows = [
        account(n, exposure=None if each is None else [held(MES, "index", each, each, each, 0.0)])
        for n, each in enumerate(worst)
    ]
    made = leases(monitor(rows), {"max_micros": limit})
    shares = [lease.max_micros or 0 for lease in made.values()]
    known = [each or 0 for each in worst]
    if None in worst or sum(known) >= limit:
        assert shares == known  # nobody may hold more than now
    else:
        assert sum(shares) <= limit and all(share >= each for share, each in zip(shares, known, strict=True))


@pytest.mark.statement(35)
def test_while_one_account_does_not_tell_no_share_of_the_loss_is_given_and_a_reached_limit_stops_all_the_same() -> None:
    told = monitor([account(1, day_pnl_usd=-100.0), account(2, day_pnl_usd=None), account(3, day_pnl_usd=50.0)])
    assert leases(told, {"daily_loss_usd": Decimal(500), "max_micros": 9}) == {}, "what was given runs out"
    made = leases(told, {"daily_loss_usd": Decimal(100)})
    assert [lease.daily_loss_usd for lease in made.values()] == [STOP_USD] * 3
    assert [lease.max_micros for lease in leases(told, {"max_micros": 9}).values()] == [3, 3, 3]


@pytest.mark.statement(35)
def test_an_account_that_was_stopped_takes_no_share_from_the_others(tmp_path: Path) -> None:
    home = Home(tmp_path)
    write(home, "- {from: 2020-01-01, global: {daily_loss_usd: 500}}")
    stopped = account(2, day_pnl_usd=None, told_day_pnl_usd=-200.0)
    place = desk(home, account(1, day_pnl_usd=-100.0), stopped)
    made = asyncio.run(lease_once(place))
    assert [lease.daily_loss_usd for lease in made.values()] == [Decimal(200), Decimal(300)]  # 200 are left of 500


@pytest.mark.statement(35)
def test_who_stands_at_its_share_enters_nothing_more_and_is_not_closed() -> None:
    ride = holding(2, on_breach="account")
    price(ride, START - 5)
    day = ride.state.day_pnl_usd()
    assert day is not None and day < 0
    ride.feed(e.BudgetLeased(at=ride.now, until=ride.now + 900 * SECOND, daily_loss_usd=-day))
    price(ride, START - 5, times=4)
    assert not ride.state.risk.breaches and ride.state.book(MES).flatten is None
    refuses_a_person(ride, "lease")
    price(ride, START - 6, times=4)
    assert ride.state.risk.breaches


def test_without_limits_over_all_there_is_nothing_to_lease() -> None:
    assert leases(monitor([account(1), account(2)]), {}) == {}
    assert leases(monitor([]), {"max_micros": 3}) == {}


@pytest.mark.statement(35)
def test_a_runner_keeps_to_its_share_and_needs_one_where_there_are_limits_over_all() -> None:
    ride = started()
    body = {"leased": True, **account_limits(ride)}
    ride.feed(e.RunnerStarted(at=ride.now, epoch=2, uid="b", limits=body))
    ride.settle()
    ride.outgoing.clear()
    ride.bar(enter(1))
    assert not ride.outgoing and ride.said("no lease of the limits over all accounts has come yet")
    ride.feed(e.BudgetLeased(at=ride.now, until=ride.now + 900 * SECOND, max_micros=3))
    takes(ride, qty=3)
    ride.feed(e.LimitsChanged(at=ride.now, limits={**account_limits(ride), "leased": False}, person="ann"))
    assert ride.state.lease is not None and ride.said("the limits over all accounts may only be tightened")
    ride.feed(e.SessionEnded(at=ride.now, session="s1", reason="done"))
    ride.feed(e.LimitsChanged(at=ride.now, limits={**account_limits(ride), "leased": False}, person="ann"))
    takes(ride, contract=MNQ)  # the limits over all have gone, and the lease with them


def account_limits(ride: Any) -> Json:
    import msgspec

    body: Json = msgspec.to_builtins(ride.state.limits)
    return body


# --- the desk's loop --------------------------------------------------------------------------------------------------


class Channel:
    """A runner's channel that keeps what it was told."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, Json]] = []

    async def request(self, verb: str, body: Json, timeout_s: float) -> Json:
        self.asked.append((verb, body))
        return {}


def desk(home: Home, *accounts: Json, channels: bool = True) -> Any:
    runners = {
        each["account"]: SimpleNamespace(
            last={"snapshot": {"account": each}}, channel=Channel() if channels else None, is_silent=not channels
        )
        for each in accounts
    }
    clock = SimpleNamespace(now=lambda: 1_763_900_000_000_000_000, rate=4.0, lockstep=False)
    said: list[str] = []
    return SimpleNamespace(
        home=home, runners=runners, clock=clock, all_accounts=lambda: sorted(runners), said=said,
        alert=lambda level, text, account=None: said.append(text),
    )  # fmt: skip


def write(home: Home, text: str) -> None:
    home.path.mkdir(parents=True, exist_ok=True)
    (home.path / "limits.yaml").write_text(text, encoding="utf-8")


def test_the_desk_tells_every_runner_its_share_for_a_while(tmp_path: Path) -> None:
    home = Home(tmp_path)
    write(home, "- {from: 2020-01-01, global: {daily_loss_usd: 500, max_position: 3}}")
    place = desk(home, account(1, day_pnl_usd=-100.0), account(2, day_pnl_usd=300.0))
    asyncio.run(lease_once(place))
    assert [runner.channel.asked for runner in place.runners.values()] == [
        [("lease", {"daily_loss_usd": "300.00", "max_micros": None, "seconds": 60.0})],  # 100 + 400 / 2
        [("lease", {"daily_loss_usd": "200.00", "max_micros": None, "seconds": 60.0})],
    ]


@pytest.mark.parametrize(
    ("text", "accounts"),
    [("- {from: 2020-01-01, global: {max_position: 3}}", 2), ("- {from: 2020-01-01, global: {max_micros: 3}}", 1)],
)
def test_nothing_is_leased_without_a_limit_over_all_or_a_second_account(
    tmp_path: Path, text: str, accounts: int
) -> None:
    home = Home(tmp_path)
    write(home, text)
    assert asyncio.run(lease_once(desk(home, *(account(n) for n in range(accounts))))) == {}


def test_a_runner_that_does_not_listen_keeps_no_other_from_its_share(tmp_path: Path) -> None:
    home = Home(tmp_path)
    write(home, "- {from: 2020-01-01, global: {max_micros: 6}}")
    place = desk(home, account(1), account(2), account(3))
    place.runners[1].channel = None
    made = asyncio.run(lease_once(place))
    assert [lease.max_micros for lease in made.values()] == [2, 2, 2], "what the first one holds is counted"
    assert [len(place.runners[number].channel.asked) for number in (2, 3)] == [1, 1]


def test_limits_that_cannot_be_read_are_told_once_and_the_desk_lives_on(tmp_path: Path) -> None:
    home = Home(tmp_path)
    write(home, "- {from: 2020-01-01, global: {max_micro: 3}}")
    place, rounds = desk(home, account(1), account(2)), []

    async def wait(seconds: float) -> None:
        rounds.append(seconds)
        if len(rounds) == 3:
            raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(budgets.lease_budgets(place, wait))
    assert rounds == [5.0, 5.0, 5.0]
    assert len(place.said) == 1 and "did you mean max_micros" in place.said[0]


def test_a_lease_lasts_in_real_time_and_in_lockstep_a_day() -> None:
    assert body_of(Lease(), rate=0.0, lockstep=False)["seconds"] == 15.0
    assert body_of(Lease(), rate=100.0, lockstep=False)["seconds"] == 1500.0
    assert body_of(Lease(), rate=1.0, lockstep=True)["seconds"] == 86_400.0
