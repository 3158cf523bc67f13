"""Last trading days against published tables, and against dates worked by hand."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import polars as pl
import pytest

from workbench.domain.business_days import add_business_days, easter, holidays, is_business_day
from workbench.domain.contract import Contract, parse_contract, spec

TABLE = {
    "cmewti": "CL",
    "cmeng": "NG",
    "cmerbob": "RB",
    "cmeulsd": "HO",
    "comexgold": "GC",
    "comexsilver": "SI",
    "comexcopper": "HG",
    "cmecorn": "ZC",
    "cmewheat": "ZW",
    "cmesoybean": "ZS",
}
GRAIN_MONTHS = {"ZC": "HKNUZ", "ZW": "HKNUZ", "ZS": "FHKUX"}
# Until 2012 the energy floor was also shut on the Friday after Thanksgiving, on 24 December 2007 and on the last
# weekday before a New Year's Day on a Saturday. Our rule does not know: these are a day or two late.
SHUT_FLOOR = {"CLZ05", "CLZ06", "CLZ07", "CLF08", "CLZ11", "CLZ12"} | {
    *("NGZ04", "NGF05", "NGZ08", "NGZ09", "NGZ10", "NGF11"),
    *("HOZ03", "HOF05"),
}


def test_last_trading_days_equal_the_published_table(shared_data: Path) -> None:
    table = pl.read_parquet(shared_data / "meta" / "rtl_expiry_table.parquet").filter(
        pl.col("cmdty").is_in(list(TABLE))
    )
    wrong, compared = set(), 0
    for row in table.iter_rows(named=True):
        root = TABLE[row["cmdty"]]
        if row["month_letter"] not in GRAIN_MONTHS.get(root, row["month_letter"]):
            continue  # the table gives these the next month's date (July soybeans too)
        contract = Contract(spec(root), row["year"], row["month"])
        compared += 1
        if contract.expiry != row["last_trade"].date():
            wrong.add(contract.code)
    assert compared > 1300
    assert wrong == SHUT_FLOOR


def test_index_and_gold_expiries_equal_leans(shared_data: Path) -> None:
    table = pl.read_parquet(shared_data / "roll" / "lean_map_files.parquet")
    pairs = table.filter(pl.col("symbol").is_in(["ES", "GC"])).select("contract", "expiry").drop_nulls().unique()
    pairs = pairs.filter(pl.col("expiry").dt.year() < 2040)
    wrong = {
        code: (parse_contract(code).expiry, expiry.date())
        for code, expiry in pairs.iter_rows()
        if parse_contract(code).expiry != expiry.date()
    }
    assert len(pairs) > 60
    assert wrong == {}


@pytest.mark.parametrize(
    ("code", "day"),
    [
        ("ESU13", date(2013, 9, 20)),  # third Friday
        ("ESH08", date(2008, 3, 20)),  # third Friday is Good Friday
        ("ESM26", date(2026, 6, 18)),  # third Friday is Juneteenth
        ("NKDZ25", date(2025, 12, 11)),  # Thursday before the second Friday
        ("6EZ25", date(2025, 12, 15)),  # Monday before the third Wednesday
        ("6CZ25", date(2025, 12, 16)),  # Tuesday before it
        ("6EM24", date(2024, 6, 17)),  # third Wednesday is itself Juneteenth
        ("SR3H24", date(2024, 6, 18)),  # day before the third Wednesday of June
        ("ZNZ25", date(2025, 12, 19)),  # seven business days before 31 December: 30 29 26 24 23 22 19
        ("ZFZ25", date(2025, 12, 31)),
        ("CLK20", date(2020, 4, 21)),
        ("MCLK20", date(2020, 4, 20)),
        ("QMK20", date(2020, 4, 20)),
        ("NGF26", date(2025, 12, 29)),
        ("QGF26", date(2025, 12, 26)),
        ("RBF26", date(2025, 12, 31)),
        ("GCZ25", date(2025, 12, 29)),
        ("MBTN25", date(2025, 7, 25)),
        ("ZSX25", date(2025, 11, 14)),
        ("LEZ25", date(2025, 12, 31)),
        ("HEZ25", date(2025, 12, 12)),
        ("GFX25", date(2025, 11, 20)),  # last Thursday is Thanksgiving
        ("GFQ25", date(2025, 8, 28)),
    ],
)
def test_expiries_worked_by_hand(code: str, day: date) -> None:
    assert parse_contract(code).expiry == day


def test_business_days_skip_easter_and_count_new_years_eve() -> None:
    assert easter(2024) == date(2024, 3, 31)
    assert add_business_days(date(2024, 3, 28), 1) == date(2024, 4, 1)
    assert is_business_day(date(2010, 12, 31))  # New Year 2011 is a Saturday: not moved to the Friday
    assert not is_business_day(date(2023, 1, 2))
    assert date(2021, 6, 18) not in holidays(2021)
    assert date(2022, 6, 20) in holidays(2022)


@pytest.mark.parametrize("year", range(2000, 2036))
def test_good_friday_is_a_friday(year: int) -> None:
    assert easter(year).weekday() == 6
    assert date(year, 3, 22) <= easter(year) <= date(year, 4, 25)
