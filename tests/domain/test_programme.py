"""The firm's rules as a fold: each rule by a hand calculation, and its laws for any prices."""

from __future__ import annotations

from datetime import date
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.domain.account import PROGRAMMES
from workbench.domain.account_file import account
from workbench.domain.contract import spec
from workbench.domain.hours import at_local
from workbench.domain.programme import (
    DAILY_LOSS,
    E4,
    MAX_LOSS,
    NONE,
    FirmAccount,
    firm_dates,
    flat_times,
    loss_level,
    rules_of,
)

MES_TICK = 12_500  # 1.25 USD


def opened(name: str = "topstep-50k", **changes: Any) -> FirmAccount:
    return FirmAccount(rules_of(account(name, **changes)))


def test_the_worked_check_of_the_trailing_maximum_loss() -> None:
    # 48,000; closes of 51,200, 50,700, 52,400 give 49,200, 49,200, 50,000; with 52,400 and −2,400 open it is a breach
    firm = opened(daily_loss=None)
    floors = [firm.floor // E4]
    for close in (51_200, 50_700, 52_400):
        firm.roll(close * E4)
        floors.append(firm.floor // E4)
    assert floors == [48_000, 49_200, 49_200, 50_000]
    assert firm.see(50_000 * E4 + 1) == ""
    assert firm.see(50_000 * E4) == MAX_LOSS
    assert (firm.failed, firm.is_open) == (True, False)
    assert firm.see(0) == ""  # once is enough


def test_an_intraday_floor_follows_the_equity_at_once_and_locks() -> None:
    firm = opened(trail_basis="intraday", lock_at=50_100, daily_loss=None)
    assert firm.see(51_000 * E4) == ""
    assert firm.floor == 49_000 * E4
    assert firm.see(49_500 * E4) == ""
    assert firm.floor == 49_000 * E4
    firm.see(60_000 * E4)
    assert firm.floor == 50_100 * E4
    assert firm.see(50_100 * E4) == MAX_LOSS


def test_a_static_floor_stays_and_one_without_a_lock_never_stops() -> None:
    static, free = opened(trail_basis="static"), opened(lock_at=None)
    for firm in (static, free):
        firm.roll(70_000 * E4)
    assert (static.floor, free.floor) == (48_000 * E4, 68_000 * E4)


def test_the_daily_loss_ends_the_day_and_counts_from_its_first_balance() -> None:
    firm = opened()
    firm.roll(50_400 * E4)
    assert firm.see(49_400 * E4 + 1) == ""
    assert firm.see(49_400 * E4) == DAILY_LOSS
    assert (firm.failed, firm.is_open) == (False, False)
    assert firm.see(49_000 * E4) == ""  # the day is over already
    assert firm.see(48_400 * E4) == MAX_LOSS  # the floor still holds: 50,400 − 2,000
    other = opened()
    other.see(48_900 * E4)
    other.roll(48_900 * E4)
    assert other.is_open
    assert other.day_start == 48_900 * E4


def test_past_the_flat_by_time_nothing_is_taken_until_the_day_rolls() -> None:
    firm = opened()
    firm.pause()
    assert not firm.is_open
    firm.roll(50_000 * E4)
    assert firm.is_open


def test_the_maximum_loss_goes_before_the_daily_loss() -> None:
    assert opened(daily_loss=2000).see(48_000 * E4) == MAX_LOSS
    assert opened(daily_loss=2500).see(47_400 * E4) == MAX_LOSS


def test_the_level_is_the_price_of_the_nearest_rule() -> None:
    # 10 MES long at 24,000 ticks: 12.50 USD a tick. The daily loss, 1,000, is 80 ticks away; the maximum loss 160.
    firm = opened()
    assert firm.level(50_000 * E4, 10, 24_000, MES_TICK) == 23_920
    assert firm.level(50_000 * E4, -10, 24_000, MES_TICK) == 24_080
    # 6.20 paid in fees: 993.80 are 79.504 ticks, so the first whole tick that breaks it is the 80th
    assert firm.level(49_993_8000, 10, 24_000, MES_TICK) == 23_920
    assert firm.level(49_993_8000, -10, 24_000, MES_TICK) == 24_080
    # 12.60: 79.0 − 0.008: the 79th breaks it
    assert firm.level(49_987_4000, 10, 24_000, MES_TICK) == 23_921
    assert opened(daily_loss=None).level(50_000 * E4, 10, 24_000, MES_TICK) == 23_840
    assert firm.level(50_000 * E4, 0, 24_000, MES_TICK) == NONE
    firm.see(49_000 * E4)
    assert firm.level(50_000 * E4, 10, 24_000, MES_TICK) == 23_840  # the daily loss has acted, the floor is left


@given(
    balance=st.integers(40_000 * E4, 60_000 * E4), below=st.integers(1, 3_000 * E4),
    qty=st.integers(-20, 20).filter(bool), entry=st.integers(-500, 30_000),
    value=st.sampled_from([12_500, 125_000, 50_000, 78_125]),
)  # fmt: skip
def test_the_level_breaks_the_limit_and_the_tick_before_it_does_not(
    balance: int, below: int, qty: int, entry: int, value: int
) -> None:
    limit = balance - below
    level, side = loss_level(balance, qty, qty * entry, value, limit), 1 if qty > 0 else -1

    def equity(price: int) -> int:
        return balance + (price - entry) * qty * value

    assert equity(level) <= limit < equity(level + side)


def test_contracts_count_in_minis_and_by_product() -> None:
    firm = opened()
    mes, es, gold, silver = spec("MES"), spec("ES"), spec("GC"), spec("SI")
    assert not firm.exceeds_cap([(mes, -50)])
    assert firm.exceeds_cap([(mes, 51)])
    assert not firm.exceeds_cap([(es, 4), (mes, 10)])
    assert firm.exceeds_cap([(es, -4), (mes, 11)])
    assert firm.exceeds_cap([(gold, 4)])
    assert firm.exceeds_cap([(silver, 1)])
    rules = firm.rules
    assert [rules.most(product, 0) for product in (mes, es, gold, silver)] == [50, 5, 3, 0]


def test_an_express_account_may_hold_more_from_the_next_day_on() -> None:
    firm = opened("topstep-50k-express")
    es = spec("ES")
    assert (firm.floor, firm.cap) == (-2_000 * E4, 20)
    firm.see(2_100 * E4)  # open profit changes nothing today
    assert firm.exceeds_cap([(es, 3)])
    firm.roll(1_600 * E4)
    assert not firm.exceeds_cap([(es, 3)])
    firm.roll(2_000 * E4)
    assert not firm.exceeds_cap([(es, 5)])
    assert firm.floor == 0
    firm.roll(100 * E4)
    assert firm.exceeds_cap([(es, 3)])
    assert [firm.rules.most(es, usd * E4) for usd in (-1, 1_500, 2_000)] == [2, 3, 5]


def test_a_target_is_passed_at_a_days_end_if_no_day_is_too_much_of_it() -> None:
    # 55 % of 3,000 is 1,650: days of 1,600 and 1,400 pass; after a day of 2,200 it takes 2,200 / 0.55 = 4,000
    firm = opened(daily_loss=None)
    firm.roll(51_600 * E4)
    assert not firm.passed
    firm.roll(53_000 * E4)
    assert firm.passed
    late = opened(daily_loss=None)
    late.roll(52_200 * E4)
    assert late.needed() == 4_000 * E4
    late.roll(53_999 * E4)
    assert (late.passed, late.is_consistent(53_999 * E4)) == (False, False)
    late.roll(54_000 * E4)
    assert (late.passed, late.is_consistent(54_000 * E4)) == (True, True)


def test_days_without_a_trade_do_not_count_and_a_failed_account_never_passes() -> None:
    firm = opened(consistency=None)
    firm.roll(53_100 * E4)
    firm.roll(53_100 * E4, traded=False)
    assert not firm.passed
    firm.roll(53_100 * E4)
    assert firm.passed
    lost = opened(consistency=None, least_days=0)
    lost.see(1)
    lost.roll(99_000 * E4)
    assert not lost.passed


@pytest.mark.parametrize(
    ("day", "clock", "flat"),
    [
        (date(2025, 9, 2), "08:30", (date(2025, 9, 2), "15:10")),
        (date(2025, 9, 1), "17:00", (date(2025, 9, 2), "15:10")),  # the evening belongs to the next day
        (date(2025, 9, 2), "16:30", (date(2025, 9, 2), "15:10")),  # until 17:00 the day is the same
        (date(2025, 11, 28), "09:00", (date(2025, 11, 28), "12:05")),  # closes at 12:15
        (date(2025, 9, 5), "12:00", (date(2025, 9, 5), "15:10")),
        (date(2025, 9, 7), "18:00", (date(2025, 9, 8), "15:10")),  # Sunday evening
    ],
)
def test_the_firm_flattens_on_its_own_trading_date(day: date, clock: str, flat: tuple[date, str]) -> None:
    times = flat_times("15:10", np.array([at_local(day, clock)]))
    assert times.tolist() == [at_local(*flat)]


def test_without_a_flat_by_time_there_is_none() -> None:
    assert flat_times(None, np.array([0, 1])).tolist() == [-NONE, -NONE]
    assert flat_times("15:10", np.array([], dtype=np.int64)).tolist() == []


def test_the_firms_day_begins_at_17_00_chicago() -> None:
    clocks = [(date(2025, 9, 2), "16:59"), (date(2025, 9, 2), "17:00"), (date(2025, 9, 3), "16:59")]
    assert firm_dates(np.array([at_local(*clock) for clock in clocks])).tolist() == [0, 1, 3]


@given(
    st.sampled_from(["end_of_day", "intraday", "static"]), st.sampled_from(sorted(PROGRAMMES)),
    st.lists(st.tuples(st.booleans(), st.integers(-3_000 * E4, 3_000 * E4)), max_size=40),
)  # fmt: skip
def test_a_floor_never_falls_and_never_passes_its_lock(trail: str, name: str, events: list[tuple[bool, int]]) -> None:
    firm = opened(name, trail_basis=trail)
    first, equity = firm.floor, firm.rules.start
    for is_roll, change in events:
        before, equity = firm.floor, equity + change
        if is_roll:
            firm.roll(equity)
        else:
            firm.see(equity)
        assert before <= firm.floor <= max(first, firm.rules.lock)
        assert not (firm.failed and firm.is_open)
