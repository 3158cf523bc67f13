"""Account programmes: the floor that only rises."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.domain.account import PROGRAMMES, AccountKind, TrailBasis, kind_from_name, programme_of
from workbench.domain.account_file import account
from workbench.domain.errors import InputError, UnknownName


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("PRAC-V2-10001-1", AccountKind.PRACTICE),
        ("prac-v2-1", AccountKind.PRACTICE),
        ("150KTC-V2-7", AccountKind.COMBINE),
        ("EXPRESS-V2-10003-3", AccountKind.EXPRESS),
        ("LIVE-1", AccountKind.UNKNOWN),
        ("", AccountKind.UNKNOWN),
    ],
)
def test_the_kind_is_read_from_the_name(name: str, kind: AccountKind) -> None:
    assert kind_from_name(name) is kind


def test_the_floor_of_a_50k_combine_day_by_day() -> None:
    # starts at 48,000; a close of 51,000 lifts it to 49,000; 50,500 leaves it; 53,000 is locked at 50,000.
    programme = PROGRAMMES["topstep-50k"]
    floor = programme.starting_balance - programme.max_loss
    seen = [floor := programme.floor_after_day(floor, Decimal(close)) for close in (51000, 50500, 53000, 48100)]
    assert seen == [49000, 49000, 50000, 50000]


@given(closes=st.lists(st.decimals(40_000, 60_000, places=2), max_size=30), name=st.sampled_from(sorted(PROGRAMMES)))
def test_the_floor_never_falls_and_never_passes_its_lock(closes: list[Decimal], name: str) -> None:
    programme = PROGRAMMES[name]
    floor = programme.starting_balance - programme.max_loss
    for close in closes:
        after = programme.floor_after_day(floor, close)
        assert programme.lock_at is not None
        assert floor <= after <= max(floor, programme.lock_at)
        floor = after


def test_a_static_floor_stays() -> None:
    from dataclasses import replace

    programme = replace(PROGRAMMES["topstep-50k"], trail_basis=TrailBasis.STATIC)
    assert programme.floor_after_day(Decimal(48000), Decimal(99000)) == 48000


def test_programmes_agree_with_their_names() -> None:
    for name, programme in PROGRAMMES.items():
        assert programme.name == name
        assert programme.daily_loss is not None
        assert programme.daily_loss <= programme.max_loss
    assert msgspec.convert("practice", AccountKind) is AccountKind.PRACTICE


# starting balance, maximum loss, daily loss, minis, target: the firm's table of plans
@pytest.mark.parametrize(
    ("size", "loss", "daily", "minis", "target"),
    [(50, 2000, 1000, 5, 3000), (100, 3000, 2000, 10, 6000), (150, 4500, 3000, 15, 9000)],
)
def test_the_shipped_plans(size: int, loss: int, daily: int, minis: int, target: int) -> None:
    combine, express = PROGRAMMES[f"topstep-{size}k"], PROGRAMMES[f"topstep-{size}k-express"]
    assert (combine.starting_balance, combine.lock_at) == (size * 1000, size * 1000)
    assert (express.starting_balance, express.lock_at, express.profit_target) == (0, 0, None)
    assert (combine.max_loss, combine.daily_loss, combine.max_minis) == (loss, daily, minis)
    assert (express.max_loss, express.daily_loss) == (loss, daily)
    assert combine.profit_target == target
    assert combine.minis_at(Decimal(-1)) == combine.minis_at(Decimal(99_999)) == minis


@pytest.mark.parametrize(
    ("profit", "minis"),
    [(-1, (2, 3, 3)), (0, (2, 3, 3)), (1499, (2, 3, 3)), (1500, (3, 4, 4)), (2000, (5, 5, 5)), (2999, (5, 5, 5)),
     (3000, (5, 10, 10)), (4499, (5, 10, 10)), (4500, (5, 10, 15))],
)  # fmt: skip
def test_an_express_account_grows_with_its_profit(profit: int, minis: tuple[int, int, int]) -> None:
    plans = [PROGRAMMES[f"topstep-{size}k-express"] for size in (50, 100, 150)]
    assert tuple(plan.minis_at(Decimal(profit)) for plan in plans) == minis


def test_caps_on_single_products() -> None:
    assert [PROGRAMMES[f"topstep-{size}k"].product_cap("MGC") for size in (50, 100, 150)] == [30, 60, 90]
    assert PROGRAMMES["topstep-50k"].product_cap("SI") == 0
    assert PROGRAMMES["topstep-50k"].product_cap("ES") is None


def test_an_account_in_the_express_stage_has_its_programme() -> None:
    assert programme_of("topstep-100k", AccountKind.EXPRESS) is PROGRAMMES["topstep-100k-express"]
    assert programme_of("topstep-100k", AccountKind.COMBINE) is PROGRAMMES["topstep-100k"]
    with pytest.raises(UnknownName, match="did you mean topstep-100k"):
        programme_of("topstep-100", AccountKind.COMBINE)


# --- programmes of one's own ---

OWN = {"starting_balance": 25_000, "max_loss": "1500.50", "max_minis": 3}


def test_a_programme_of_ones_own_needs_three_numbers() -> None:
    made = account(OWN)
    assert (made.name, made.starting_balance, made.max_loss) == ("own", 25_000, Decimal("1500.50"))
    assert (made.lock_at, made.trail_basis, made.daily_loss) == (25_000, TrailBasis.END_OF_DAY, None)
    assert account({**OWN, "lock_at": None}).floor_after_day(Decimal(0), Decimal(90_000)) == Decimal("88499.50")


def test_yaml_text_a_mapping_and_keywords_say_the_same() -> None:
    text = """
like: topstep-50k
name: mine
daily_loss: null
trail_basis: intraday
lock_at: 50100
scaling: {0: 2, 1500: 3.5}
product_caps: {GC: 1, EP: 2}
flat_by: "9:05"
"""
    made = account(text)
    keys = {
        "name": "mine", "daily_loss": None, "trail_basis": "intraday", "lock_at": 50_100, "flat_by": "09:05",
        "scaling": [[1500, 3.5], [0, 2]], "product_caps": {"GC": 1, "ES": 2},
    }  # fmt: skip
    assert made == account({"like": "topstep-50k", **keys}) == account("topstep-50k", **keys)
    assert made == account(PROGRAMMES["topstep-50k"], **keys)
    assert made.product_cap("ES") == 2
    assert made.minis_at(Decimal(1500)) == Decimal("3.5")


@pytest.mark.parametrize(
    ("what", "changes", "says"),
    [
        ("topstep-50", {}, "did you mean topstep-50k"),
        ("topstep-50k", {"dayly_loss": 5}, "did you mean daily_loss"),
        ({"like": "topstep-5k"}, {}, r"unknown account programme 'topstep-5k' \(like\)"),
        ({"max_loss": 5, "max_minis": 1}, {}, "starting_balance is missing"),
        ({}, {}, "starting_balance, max_loss, max_minis are missing"),
        (OWN, {"max_loss": 0}, "max_loss=0 must be positive"),
        (OWN, {"daily_loss": -5}, "daily_loss=-5 must be positive, or None"),
        (OWN, {"lock_at": 20_000}, "lock_at=20000 lies below the first floor, 23499.50"),
        (OWN, {"max_loss": "lots"}, "max_loss='lots' is not a number"),
        (OWN, {"max_loss": True}, "max_loss=True is not a number"),
        (OWN, {"max_loss": float("nan")}, "not a number"),
        (OWN, {"max_loss": "0.00001"}, "finer than 1/10,000"),
        (OWN, {"trail_basis": "intra_day"}, "did you mean intraday"),
        (OWN, {"flat_by": 910}, "no time of day"),
        (OWN, {"flat_by": "25:00"}, "no time of day"),
        (OWN, {"scaling": 5}, "must be a mapping such as"),
        (OWN, {"scaling": {0: 0}}, "positive numbers"),
        (OWN, {"product_caps": {"XX": 1}}, "unknown contract"),
        (OWN, {"product_caps": {"GC": 1.5}}, "whole number"),
        (OWN, {"consistency": 1.5}, r"must lie in \(0, 1\]"),
        (OWN, {"valid_from": "soon"}, "no date"),
        ("a: [\n", {}, "not readable as YAML"),
        ("- 1\n- 2\n", {}, "not list"),
        ("a: 1\n" * 9000, {}, "at most 20,000 characters"),
    ],
)
def test_what_is_wrong_with_a_programme_is_said(what: Any, changes: dict[str, Any], says: str) -> None:
    with pytest.raises(InputError, match=says):
        account(what, **changes)
