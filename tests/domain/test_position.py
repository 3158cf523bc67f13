"""Positions by hand, and against a slow exact oracle."""

from __future__ import annotations

from collections import deque
from decimal import Decimal
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from workbench.domain.position import Fill, Position, apply_fill

MES = "CON.F.US.MES.Z26"


def fold(*trades: tuple[int, int], fees: str = "0") -> Position:
    position = Position(account=1, contract=MES)
    for number, (qty, ticks) in enumerate(trades):
        fill = Fill(
            trade_id=number,
            order_id=number,
            account=1,
            contract=MES,
            qty=qty,
            ticks=ticks,
            at=number,
            fees=Decimal(fees),
        )
        position = apply_fill(position, fill)
    return position


def test_long_round_trip() -> None:
    # 2 bought at 100, 2 sold at 107: 2 × 7 = 14 ticks.
    done = fold((2, 100), (-2, 107))
    assert (done.qty, done.realized_ticks, done.cost_ticks, done.average_ticks) == (0, 14, 0, None)


def test_short_round_trip_with_a_loss() -> None:
    # 3 sold at 50, 3 bought at 54: 3 × −4 = −12 ticks.
    done = fold((-3, 50), (3, 54))
    assert (done.qty, done.realized_ticks) == (0, -12)


def test_adding_averages_in() -> None:
    # (1 × 100 + 3 × 104) / 4 = 103; at 105 the open profit is 4 × 2 = 8.
    held = fold((1, 100), (3, 104))
    assert (held.qty, held.average_ticks, held.open_ticks(105)) == (4, 103, 8)


def test_a_reduction_leaves_the_average() -> None:
    # average 103; one sold at 110 realises 7; three remain at 103.
    held = fold((1, 100), (3, 104), (-1, 110))
    assert (held.qty, held.average_ticks, held.realized_ticks) == (3, 103, 7)


def test_a_flip_closes_all_and_opens_the_rest_at_the_fill() -> None:
    # +3 at 100, sell 5 at 98: 3 × −2 = −6 realised, −2 open at 98; at 95 that is (95 − 98) × −2 = +6.
    held = fold((3, 100), (-5, 98))
    assert (held.qty, held.average_ticks, held.realized_ticks, held.open_ticks(95)) == (-2, 98, -6, 6)
    assert held.opened_at == 1


def test_a_short_that_flips_long() -> None:
    # −2 at 10, buy 3 at 7: 2 × 3 = 6 realised, +1 at 7.
    held = fold((-2, 10), (3, 7))
    assert (held.qty, held.average_ticks, held.realized_ticks) == (1, 7, 6)


def test_negative_prices_are_legal() -> None:
    # bought at −3763, sold at −3700: +63.
    assert fold((1, -3763), (-1, -3700)).realized_ticks == 63


def test_fees_add_up_on_each_half_turn() -> None:
    assert fold((1, 100), (1, 100), (-2, 100), fees="0.62").fees == Decimal("1.86")


def test_opened_at_is_the_first_fill_of_the_open_position() -> None:
    assert fold((1, 100), (1, 101), (-1, 102)).opened_at == 0
    assert fold((1, 100), (-1, 101), (1, 102)).opened_at == 2


class Oracle:
    """Slow and exact: cash and inventory as fractions, the average cost of what is open."""

    def __init__(self) -> None:
        self.lots: deque[Fraction] = deque()
        self.sign, self.realized = 0, Fraction(0)

    def fill(self, qty: int, ticks: int) -> None:
        side = 1 if qty > 0 else -1
        for _ in range(abs(qty)):
            if self.lots and self.sign != side:
                average = sum(self.lots, Fraction(0)) / len(self.lots)
                self.realized += (ticks - average) * self.sign
                left = len(self.lots) - 1
                self.lots = deque([average] * left)
            else:
                self.sign = side
                self.lots.append(Fraction(ticks))

    @property
    def qty(self) -> int:
        return self.sign * len(self.lots)

    def open_ticks(self, last: int) -> Fraction:
        return sum(((last - lot) * self.sign for lot in self.lots), Fraction(0))


trades = st.lists(st.tuples(st.integers(-6, 6).filter(bool), st.integers(-50_000, 50_000)), max_size=25)


@given(trades=trades, last=st.integers(-50_000, 50_000))
def test_the_fold_equals_the_exact_oracle(trades: list[tuple[int, int]], last: int) -> None:
    held, oracle = fold(*trades), Oracle()
    for qty, ticks in trades:
        oracle.fill(qty, ticks)
    assert held.qty == oracle.qty
    assert abs(Fraction(held.realized_ticks) - oracle.realized) < Fraction(1, 10**15)
    assert abs(Fraction(held.open_ticks(last)) - oracle.open_ticks(last)) < Fraction(1, 10**15)


@given(trades=trades, last=st.integers(-50_000, 50_000))
def test_realised_plus_open_is_independent_of_how_fills_are_split(trades: list[tuple[int, int]], last: int) -> None:
    whole = fold(*trades)
    single = fold(*[(1 if qty > 0 else -1, ticks) for qty, ticks in trades for _ in range(abs(qty))])
    cash = -sum(qty * ticks for qty, ticks in trades) + last * sum(qty for qty, _ in trades)  # exact, no average in it
    for held in (whole, single):
        assert abs(held.realized_ticks + held.open_ticks(last) - cash) < Decimal("1e-15")
    assert whole.qty == single.qty
