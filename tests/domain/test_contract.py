"""Contracts: exact ticks, names, front month. Expected values by hand or from Lean's symbol table."""

from __future__ import annotations

import math
from datetime import date
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.domain.contract import (
    SPECS,
    Contract,
    ContractSpec,
    front_month,
    parse_contract,
    prices_of,
    roll_date,
    spec,
    ticks_of,
)
from workbench.domain.errors import InputError, OffTick, UnknownContract

SPEC = st.sampled_from(sorted(SPECS.values(), key=lambda each: each.root))
TICKS = st.integers(-10_000_000, 10_000_000)


@given(product=SPEC, ticks=TICKS)
def test_every_tick_of_every_product_survives_the_way_to_a_price_and_back(product: ContractSpec, ticks: int) -> None:
    price = product.price(ticks)
    assert product.ticks(price) == ticks
    assert product.ticks(Decimal(ticks * product.tick.numerator) / product.tick.denominator) == ticks


@given(product=SPEC, ticks=TICKS)
def test_a_price_is_the_double_nearest_to_the_exact_value(product: ContractSpec, ticks: int) -> None:
    exact = ticks * product.tick
    price = product.price(ticks)
    here = abs(Fraction(price) - exact)
    assert here <= abs(Fraction(math.nextafter(price, math.inf)) - exact)
    assert here <= abs(Fraction(math.nextafter(price, -math.inf)) - exact)


@given(product=SPEC, prices=st.lists(st.floats(-1e6, 1e6) | st.sampled_from([math.nan, math.inf, -math.inf])))
def test_arrays_equal_scalars(product: ContractSpec, prices: list[float]) -> None:
    on_tick = [product.price(round(price)) for price in prices if math.isfinite(price)]
    ticks, on_grid = ticks_of(np.array(prices + on_tick), product)
    for price, tick, legal in zip(prices + on_tick, ticks.tolist(), on_grid.tolist(), strict=True):
        if legal:
            assert product.ticks(price) == tick
        else:
            with pytest.raises(InputError):
                product.ticks(price)
    assert on_grid[len(prices) :].all()
    assert prices_of(ticks, product).tolist() == [product.price(tick) for tick in ticks.tolist()]


@pytest.mark.parametrize(
    ("root", "price", "ticks"),
    [
        ("ES", 1650.25, 6601),
        ("ZT", 103.12890625, 26401),  # 103 and 33/256
        ("6J", 0.0067505, 13501),
        ("CL", -37.63, -3763),  # settlement of 20 April 2020
        ("CL", "-37.63", -3763),
        ("ZB", Decimal("117.03125"), 3745),
        ("NKD", 38_005.0, 7601),
        ("6M", 0.05555, 5555),
        ("RTY", 0.1 + 0.2, 3),  # 0.30000000000000004: what arithmetic in doubles leaves behind
    ],
)
def test_prices_worked_by_hand(root: str, price: float | str | Decimal, ticks: int) -> None:
    assert spec(root).ticks(price) == ticks


def test_a_price_between_two_ticks_names_both_neighbours() -> None:
    with pytest.raises(OffTick, match=r"nearest legal prices are 1650\.0 and 1650\.25") as caught:
        spec("ES").ticks(1650.10)
    assert (caught.value.below, caught.value.above) == (1650.0, 1650.25)


def test_below_zero_the_lower_neighbour_is_the_more_negative_one() -> None:
    with pytest.raises(OffTick) as caught:
        spec("CL").ticks(-37.635)
    assert (caught.value.below, caught.value.above) == (-37.64, -37.63)


@pytest.mark.parametrize("price", [math.nan, math.inf, -math.inf, "NaN", "abc", Decimal("Infinity"), 1e300, None])
def test_what_is_no_finite_number_is_an_input_error(price: float) -> None:
    with pytest.raises(InputError):
        spec("ES").ticks(price)


def test_text_must_be_exact_where_a_float_may_be_a_hair_off() -> None:
    with pytest.raises(OffTick):
        spec("RTY").ticks("0.30000000000000004")


def test_money_is_exact() -> None:
    assert spec("M6B").usd(3, 7) == Decimal("13.125")
    assert spec("ZT").usd(-1, 3) == Decimal("-23.4375")
    assert spec("ES").point_value == 50
    assert spec("6J").point_value == 12_500_000


def test_a_micro_is_a_tenth_of_its_mini_and_silver_a_fifth() -> None:
    for micro in SPECS.values():
        if micro.micro_of:
            share = 5 if micro.exchange_root == "SIL" else 10
            assert spec(micro.micro_of).point_value == share * micro.point_value, micro.exchange_root


# Lean writes these in dollars; the gateway and we in cents.
CENTS = {"ZC", "ZS", "ZW", "ZL", "GF", "LE", "HE"}


def test_tick_sizes_and_values_agree_with_lean(shared_data: Path) -> None:
    table = pl.read_parquet(shared_data / "meta" / "lean_symbol_properties_futures.parquet")
    rows = {
        row["symbol"]: row for row in table.iter_rows(named=True) if row["market"] in ("cme", "cbot", "nymex", "comex")
    }
    differing, compared = {}, 0
    for product in SPECS.values():
        row = rows.get(product.exchange_root)
        if row is None:
            continue
        compared += 1
        cents = 100 if product.exchange_root in CENTS else 1
        tick = Fraction(row["minimum_price_variation"]) * cents
        value = tick * Fraction(row["contract_multiplier"]) / cents
        if (tick, value) != (product.tick, Fraction(product.tick_value)):
            differing[product.exchange_root] = (float(tick), float(value), product.tick_size, float(product.tick_value))
    assert compared >= 45
    assert differing == {}


@pytest.mark.parametrize("text", ["ES", "EP", "es", "CON.F.US.EP.U13", "F.US.EP", "ESU13", "ESU3", " ESZ25 "])
def test_one_product_many_names(text: str) -> None:
    assert spec(text).root == "EP"


@pytest.mark.parametrize(
    ("text", "root"), [("MNG", "MNGE"), ("CON.F.US.MNG.F26", "MNGE"), ("6EU5", "EU6"), ("SR3H6", "SR3")]
)
def test_awkward_roots_are_told_from_month_letters(text: str, root: str) -> None:
    assert spec(text).root == root


def test_no_exchange_root_is_another_products_gateway_root() -> None:
    by_exchange = {each.exchange_root: each for each in SPECS.values()}
    assert len(by_exchange) == len(SPECS)
    for root, product in SPECS.items():
        assert by_exchange.get(root, product) is product


def test_unknown_root_gets_a_hint() -> None:
    with pytest.raises(UnknownContract, match="did you mean"):
        spec("MESS")


def test_a_contract_has_all_its_names() -> None:
    contract = Contract(spec("ES"), 2013, 9)
    assert (contract.id, contract.symbol_id) == ("CON.F.US.EP.U13", "F.US.EP")
    assert (contract.code, contract.name, str(contract)) == ("ESU13", "ESU3", "ESU13")
    assert contract.description == "E-mini S&P 500: September 2013"


@given(product=SPEC, year=st.integers(2000, 2099), month=st.integers(1, 12))
def test_id_and_code_lead_back_to_the_contract(product: ContractSpec, year: int, month: int) -> None:
    contract = Contract(product, year, month)
    assert parse_contract(contract.id) == contract
    assert parse_contract(contract.code.lower()) == contract
    assert parse_contract(contract.name, near=date(year, month, 15)) == contract


def test_a_one_digit_year_needs_a_date() -> None:
    with pytest.raises(InputError, match="near="):
        parse_contract("ESU3")
    assert parse_contract("ESH0", near=date(2019, 12, 20)).year == 2020
    assert parse_contract("ESZ9", near=date(2020, 1, 2)).year == 2019


@pytest.mark.parametrize("text", ["ES", "F.US.EP", "SR3"])
def test_a_product_is_not_a_month(text: str) -> None:
    with pytest.raises(InputError, match="not a contract month"):
        parse_contract(text)


@pytest.mark.parametrize("text", ["", "CON.F.US.EP.A13", "CON.F.EU.EP.U13", "ESU2013", "XXU13"])
def test_what_is_no_contract_is_refused(text: str) -> None:
    with pytest.raises(UnknownContract):
        parse_contract(text)


def test_the_front_changes_on_the_monday_of_expiry_week() -> None:
    # Seen on the gateway: MES went from H26 to M26 on Monday 16 March 2026.
    assert front_month("MES", date(2026, 3, 15)).code == "MESH26"
    assert front_month("MES", date(2026, 3, 16)).code == "MESM26"
    assert roll_date(parse_contract("ESU13")) == date(2013, 9, 16)


def test_the_front_is_what_trades_most(shared_data: Path) -> None:
    chain = pl.read_parquet(shared_data / "roll" / "lean_universe_chain.parquet")
    busiest = chain.sort("volume").group_by("symbol", "date").last().filter(pl.col("volume") > 10_000)
    expected = {(row["symbol"], row["date"].date()): row["contract"] for row in busiest.iter_rows(named=True)}
    assert len(expected) > 30
    assert {key: front_month(*key).code for key in expected} == expected


@pytest.mark.parametrize(
    ("root", "on", "code"),
    [
        ("ES", date(2013, 9, 2), "ESU13"),
        ("CL", date(2026, 11, 2), "CLZ26"),
        ("MCL", date(2026, 11, 19), "MCLF27"),
        ("GC", date(2026, 9, 1), "GCZ26"),  # October is listed, never the front
        ("SR3", date(2026, 3, 2), "SR3Z25"),  # named for the start of its quarter, trades until its end
        ("ZN", date(2026, 12, 31), "ZNH27"),
        ("ES", date(2026, 12, 31), "ESH27"),
    ],
)
def test_front_months_worked_by_hand(root: str, on: date, code: str) -> None:
    assert front_month(root, on).code == code


@given(product=SPEC, on=st.dates(date(2003, 1, 1), date(2096, 12, 31)))
def test_the_front_has_not_rolled_and_the_one_before_it_has(product: ContractSpec, on: date) -> None:
    front = front_month(product, on)
    assert roll_date(front) > on
    earlier = Contract(product, on.year - 2, front.month)
    while earlier.next() != front:
        earlier = earlier.next()
    assert roll_date(earlier) <= on
    assert roll_date(front) <= front.expiry
