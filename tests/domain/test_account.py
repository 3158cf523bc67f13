"""Account programmes: the floor that only rises."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.domain.account import PROGRAMMES, AccountKind, TrailBasis, kind_from_name


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
        assert floor <= after <= max(floor, programme.lock_at)
        floor = after


def test_a_static_floor_stays() -> None:
    from dataclasses import replace

    programme = replace(PROGRAMMES["topstep-50k"], trail_basis=TrailBasis.STATIC)
    assert programme.floor_after_day(Decimal(48000), Decimal(99000)) == 48000


def test_programmes_agree_with_their_names() -> None:
    for name, programme in PROGRAMMES.items():
        assert programme.name == name
        assert programme.max_loss < programme.starting_balance
        assert programme.daily_loss is not None and programme.daily_loss <= programme.max_loss
    assert msgspec.convert("practice", AccountKind) is AccountKind.PRACTICE
