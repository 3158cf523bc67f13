"""The programme of a backtest and the firm of the simulator are one firm: the same prints do the same to both."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.simulator.lab import COMBINE, MES, Lab
from workbench.domain.account import PROGRAMMES
from workbench.domain.account_file import account as programme
from workbench.domain.contract import parse_contract
from workbench.domain.programme import E4, NONE, FirmAccount, e4, rules_of
from workbench.simulator.accounts import SimAccount, SimPosition
from workbench.simulator.config import AccountSettings, Fees

TICK = 12_500
NQ = parse_contract("MNQZ26")
CONTRACTS = (MES, parse_contract("ESZ26"), NQ, parse_contract("GCZ26"), parse_contract("SIZ26"))


def simulated(name: str, **changes: Any) -> tuple[SimAccount, FirmAccount]:
    """The same programme on both sides."""
    made = programme(name, **changes)
    account = SimAccount(
        settings=AccountSettings(id=1, name="50KTC-V2-1", daily_loss=made.daily_loss is not None),
        programme=made,
        balance=made.starting_balance,
        floor=made.starting_balance - made.max_loss,
        day_start=made.starting_balance,
    )
    account.cap_minis = made.minis_at(Decimal(0))
    return account, FirmAccount(rules_of(made))


def agree(account: SimAccount, firm: FirmAccount) -> bool:
    mine = (firm.floor, firm.day_start, firm.failed, firm.blocked, firm.cap)
    micros = account.cap_minis * account.programme.micros_per_mini
    return mine == (e4(account.floor), e4(account.day_start), account.failed, bool(account.blocked), micros)


EVENTS = st.lists(
    st.one_of(
        st.tuples(st.just("print"), st.integers(-60, 60)),
        st.tuples(st.just("fill"), st.integers(-3, 3)),
        st.tuples(st.just("fee"), st.integers(0, 400_000)),
        st.tuples(st.just("roll"), st.just(0)),
    ),
    max_size=80,
)


@given(
    st.sampled_from(sorted(PROGRAMMES)), st.sampled_from(["end_of_day", "intraday", "static"]),
    st.sampled_from([None, 250, 1000]), st.sampled_from([None, 0, 700]), EVENTS,
)  # fmt: skip
@settings(max_examples=300)
def test_any_prints_fills_fees_and_days_do_the_same_to_both(
    name: str, trail: str, daily: int | None, lock_after: int | None, events: list[tuple[str, int]]
) -> None:
    start = PROGRAMMES[name].starting_balance
    lock = None if lock_after is None else start + lock_after
    account, firm = simulated(name, trail_basis=trail, daily_loss=daily, lock_at=lock, max_loss=900)
    position = account.positions[MES.id] = SimPosition(1, MES)
    price, balance, cost = 24_000, e4(start), 0
    for what, size in events:
        if what == "print":
            price += size
        elif what == "fill" and size:  # an addition averages in, a reduction closes at the average: here always in full
            if position.qty * size < 0 or not position.qty:
                gained = position.open_usd(price)
                account.balance += Decimal(gained.numerator) / Decimal(gained.denominator)
                balance += (price * position.qty - cost) * TICK
                position.qty, position.average, cost = size, Fraction(price), size * price
            else:
                cost += size * price
                position.qty += size
                position.average = Fraction(cost, position.qty)
        elif what == "fee":
            account.balance -= Decimal(size) / E4
            balance -= size
        else:
            account.roll_day()
            firm.roll(balance)
            assert agree(account, firm)
            continue
        equity = account.equity(lambda _, price=price: price)
        level = firm.level(balance, position.qty, position.average, TICK)
        account.note_equity(equity)
        rule = account.breach(equity)
        if rule:  # as Firm._breach
            account.failed = account.failed or rule == "max_loss"
            account.blocked = "locked"
        if firm.rules.trail == 0 and position.qty:  # the level foretells the breach
            assert bool(rule) == (level != NONE and (level - price) * position.qty >= 0)
        assert firm.see(balance + (price * position.qty - cost) * TICK) == rule
        assert agree(account, firm)


HOLDINGS = st.tuples(*(st.integers(-60, 60) for _ in CONTRACTS))


@given(st.sampled_from(sorted(PROGRAMMES)), st.integers(-1000, 5000), HOLDINGS)
def test_caps_are_the_same(name: str, profit: int, held: tuple[int, ...]) -> None:
    account, firm = simulated(name)
    account.balance += profit
    account.roll_day()
    firm.roll(e4(account.balance))
    for contract, qty in zip(CONTRACTS, held, strict=True):  # each alone
        refused = account.exceeds_cap(contract, qty)
        assert refused == firm.exceeds_cap([(contract.spec, qty)])
        assert refused == (abs(qty) > firm.rules.most(contract.spec, e4(account.balance) - firm.rules.start))
    uncapped = [c for c in CONTRACTS if account.programme.product_cap(c.spec.exchange_root) is None]
    together = list(zip(uncapped, held, strict=False))
    for contract, qty in together[:-1]:
        account.positions[contract.id] = SimPosition(1, contract, qty=qty)
    assert account.exceeds_cap(*together[-1]) == firm.exceeds_cap([(contract.spec, qty) for contract, qty in together])


@pytest.mark.parametrize("trail", ["end_of_day", "intraday"])
@pytest.mark.parametrize("daily", [False, True])
@pytest.mark.parametrize("side", [0, 1])
@given(steps=st.lists(st.integers(-40, 40), min_size=1, max_size=25), size=st.integers(20, 50))
@settings(max_examples=12)
def test_the_simulators_firm_acts_on_the_print_that_the_programme_says(
    trail: str, daily: bool, side: int, steps: list[int], size: int
) -> None:
    lab = Lab(COMBINE.model_copy(update={"daily_loss": daily}), fees={"MES": Fees(fees=Decimal("0.37"))})
    made = programme("topstep-50k", trail_basis=trail, lock_at=50_000, **({} if daily else {"daily_loss": None}))
    lab.account.programme = made
    firm = FirmAccount(rules_of(made))
    assert lab.place(side=side, size=size).code == 0
    entry = lab.account.trades[-1].ticks
    qty = size if side == 0 else -size
    price, balance = 24_000, 50_000 * E4 - size * 3_700
    firm.see(balance + (price - entry) * qty * TICK)  # after the fill, at the last price
    for step in steps:
        if not step:
            continue  # the same price again is no news
        price += step
        rule = firm.see(balance + (price - entry) * qty * TICK)
        lab.prints(MES.spec.price(price))
        assert (lab.qty == 0) == bool(rule)
        if rule:
            firm.see(e4(lab.account.balance))  # the liquidation's own fill may break the other rule, too
            assert (lab.account.failed, bool(lab.account.blocked)) == (firm.failed, firm.blocked)
            assert lab.place(side=side).code == 4
        assert e4(lab.account.floor) == firm.floor
        if rule:
            break
