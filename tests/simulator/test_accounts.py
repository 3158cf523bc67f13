"""Money: netting and profit against a hand-kept book, fees, and the firm's loss rules."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from tests.simulator.lab import COMBINE, DAY, MES, Lab, Tape
from workbench.backtest.costs import Costs
from workbench.domain.contract import parse_contract, spec
from workbench.gateway.codes import OrderStatus as S
from workbench.simulator import orders as words
from workbench.simulator.accounts import open_account
from workbench.simulator.config import AccountSettings, Fees, SimulatorSettings

ES = parse_contract("ESZ26")


def test_the_worked_check_of_the_trailing_maximum_loss():
    """Start floor 48,000; closes 51,200, 50,700, 52,400 give 49,200, 49,200 and 50,000, locked; on day 4 with 52,400
    and open −2,400 equity is 50,000 ≤ 50,000: a breach."""
    account = open_account(COMBINE)
    floors = [account.floor]
    for close in (51_200, 50_700, 52_400):
        account.balance = Decimal(close)
        account.roll_day()
        floors.append(account.floor)
    assert floors == [48_000, 49_200, 49_200, 50_000]
    assert account.breach(Fraction(50_001)) == ""
    assert account.breach(Fraction(50_000)) == "max_loss"


def test_express_starts_at_nothing_and_its_floor_locks_there():
    account = open_account(AccountSettings(id=3, name="EXPRESS-1"))
    assert (account.balance, account.floor, account.cap_minis) == (0, -2000, 2)
    account.balance = Decimal(2_600)
    account.roll_day()
    assert (account.floor, account.cap_minis) == (0, 5)


def test_a_breach_cancels_closes_locks_and_later_orders_get_code_4():
    lab = Lab(COMBINE)
    entry = lab.place(size=50, sl=-400, tp=400)
    waiting = lab.place(side=1, size=1, type=1, limit=6050.0)
    # floor 48,000: 50 MES lose 62.50 a tick and 31.00 costs on entry; (2,000 − 31) / 62.5 = 31.5 ticks = 8 points down
    lab.prints(5992.75)
    assert lab.account.can_trade and lab.qty == 50
    lab.prints(5992.25)
    assert (lab.qty, lab.account.failed, lab.account.model().can_trade) == (0, True, False)
    assert lab.order(waiting.order_id).status is S.CANCELLED
    assert {o.status for o in lab.children(entry)} == {S.CANCELLED}
    assert lab.story()[-1] == "Account" and lab.events()[-1][1]["canTrade"] is False
    assert lab.place().code == 4


def test_the_daily_loss_limit_locks_until_17_00_and_is_no_failure():
    lab = Lab(COMBINE.model_copy(update={"daily_loss": True}))
    lab.place(size=40)
    lab.prints(5995.0)  # 21 ticks × 50.00 = −1,050 − costs ≤ −1,000
    assert (lab.qty, lab.account.failed) == (0, False)
    assert (lab.place().code, lab.account.model().can_trade) == (4, False)
    lost = lab.account.balance
    lab.to("17:00")
    assert lab.account.model().can_trade and lab.account.day_start == lost


def test_the_firm_flattens_at_15_10_and_takes_orders_again_at_17_00():
    lab = Lab(COMBINE)
    lab.place(sl=-400)
    lab.to("15:09")
    assert lab.qty == 1
    lab.to("15:10")
    assert lab.qty == 0 and lab.place().text == words.CLOSED
    assert lab.account.model().can_trade  # flat-by is no lock
    lab.to("17:00")
    assert lab.place().code == 0


def test_practice_without_rules_holds_over_the_close_and_the_floor_rolls_only_at_17_00():
    lab = Lab()
    lab.place()
    lab.to("18:00")
    assert lab.qty == 1
    combine = Lab(COMBINE)
    combine.account.balance = Decimal(51_200)
    combine.to("16:59")
    assert combine.account.floor == 48_000
    combine.to("17:00")
    assert combine.account.floor == 49_200


def test_early_close_days_are_flat_before_the_close():
    lab = Lab(COMBINE)
    lab.to("09:00", date(2026, 11, 27))  # the day after Thanksgiving closes at 12:15
    lab.tape.add((lab.exchange.now - lab.simulator.market.hours(MES).window(DAY).open) / 1e9, 6000.0)
    assert lab.place().code == 0 and lab.qty == 1
    lab.to("12:10", date(2026, 11, 27))
    assert lab.qty == 0


@pytest.mark.parametrize(
    ("root", "cost"), [("MES", "0.62"), ("MNQ", "0.37"), ("ES", "1.40"), ("ZB", "1.39"), ("MYM", "0.62")]
)
def test_fees_per_side_come_from_the_table(root, cost):
    contract = parse_contract(f"{root}Z26")
    lab = Lab(tape=Tape(contract))
    lab.place(contract=contract, size=3)
    assert lab.account.balance == 150_000 - 3 * Decimal(cost)


def test_averages_off_the_grid_give_profit_to_a_hundredth_of_a_cent():
    lab = Lab(fees={"MES": Fees(fees=Decimal(0))})
    lab.place(size=1)  # 6000.25
    lab.prints(6001.0)  # the ask is then 6001.25
    lab.place(size=2)  # average (6000.25 + 2 × 6001.25) / 3 = 6000.916666…
    assert lab.account.positions[MES.id].model(1).average_price == pytest.approx(6000.9166666667)
    lab.place(side=1, size=1)  # at 6001.0: (6001 − 6000.91666…) / 0.25 × 1.25 = 0.41666…
    assert lab.account.trades[-1].pnl == Decimal("0.4167")


class Ledger(RuleBasedStateMachine):
    """Random fills against the plainest book there is: signed contracts and cash. Cash + position × price agree."""

    def __init__(self) -> None:
        super().__init__()
        self.lab = Lab(fees={"MES": Fees(fees=Decimal(0))})
        self.cash, self.qty, self.price = Fraction(0), 0, 24_000

    @rule(side=st.integers(0, 1), size=st.integers(1, 7))
    def trade(self, side: int, size: int) -> None:
        assert self.lab.place(side=side, size=size).code == 0
        paid = self.price + (1 if side == 0 else 0)
        sign = 1 if side == 0 else -1
        self.qty += sign * size
        self.cash -= Fraction(sign * size * paid) * Fraction(5, 4)

    @rule(step=st.integers(-40, 40))
    def move(self, step: int) -> None:
        self.price += step
        self.lab.prints(MES.spec.price(self.price))

    @invariant()
    def net_position_and_equity_are_the_plain_books(self) -> None:
        assert self.lab.qty == self.qty
        equity = self.lab.account.equity(self.lab.exchange.last) - 150_000
        plain = self.cash + self.qty * self.price * Fraction(5, 4)
        assert abs(equity - plain) <= Fraction(len(self.lab.account.trades) + 1, 10_000)

    @invariant()
    def closing_rows_alone_carry_profit_and_sizes_add_up(self) -> None:
        trades = self.lab.account.trades
        assert sum(t.size if t.side == 0 else -t.size for t in trades) == self.qty
        assert self.lab.account.balance == 150_000 + sum((t.pnl for t in trades if t.pnl is not None), Decimal(0))


Ledger.TestCase.settings = settings(max_examples=25, stateful_step_count=25, deadline=None)
test_ledger = Ledger.TestCase


@pytest.mark.parametrize("root", ["MES", "EP", "CLE", "GCE", "USA", "EU6", "GLE", "MBT"])
def test_the_simulator_charges_what_the_backtest_charges(root: str) -> None:
    product, at = spec(root), 1_795_098_000_000_000_000
    cost = SimulatorSettings().fees_of(product, at)
    assert cost.fees + cost.commissions == Costs().per_side(product, date(2026, 11, 19))
    own = SimulatorSettings(fees={product.exchange_root: {"fees": "9.99"}})
    assert own.fees_of(product, at).fees == Decimal("9.99")
