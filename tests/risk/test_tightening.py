"""Which limits are tighter: field by field, as a law, and as a person writes them."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.domain.errors import InputError, UnknownName
from workbench.risk.limits import ON_BREACH, Limits
from workbench.risk.tightening import NOTHING, TIGHTER, loosened, tightest, value_of

# field → (loose, tight), by what each of them lets pass
PAIRS: dict[str, tuple[object, object]] = {
    "max_order_qty": (5, 4),
    "max_position": (5, 4),
    "max_open_orders": (12, 11),
    "daily_loss_usd": (Decimal(1000), Decimal(999)),
    "max_orders_per_minute": (20, 19),
    "protect_within_s": (30.0, 29.0),
    "products": (("MES", "EP"), ("MES",)),
    "on_breach": ("refuse", "session"),
    "equity_readings": (3, 2),
    "session_daily_loss_usd": (None, Decimal(300)),
    "session_drawdown_usd": (Decimal(400), Decimal(300)),
    "max_drawdown_usd": (None, Decimal(300)),
    "daily_profit_usd": (Decimal(900), Decimal(800)),
    "best_day_share": (0.5, 0.4),
    "floor_buffer_usd": (Decimal(0), Decimal(50)),
    "capital_at_risk_usd": (None, Decimal(500)),
    "unstopped_ticks": (40, None),  # a risk that is not known passes nothing
    "max_micros": (None, 20),
    "price_collar_ticks": (40, 20),
    "price_collar_percent": (None, 1.0),
    "stale_after_s": (10.0, 5.0),
    "max_flips": (4, 0),
    "flips_minutes": (10.0, 20.0),  # the longer look back finds more
    "consecutive_losses": (4, 3),
    "cool_down_s": (600.0, 1200.0),
    "market_hours": (False, True),
    "flat_by": ("15:05", "14:00"),
    "expiry_days": (None, 3),
    "roll_warn_days": (2, 5),
    "news_flat": (False, True),
    "blind_after_s": (None, 10.0),
    "blind_flatten_s": (60.0, 30.0),
    "unattended_after_s": (None, 600.0),
}


def test_every_limit_knows_its_tighter_side() -> None:
    assert set(PAIRS) == set(Limits.__struct_fields__) == set(TIGHTER)


@pytest.mark.statement(35)
@pytest.mark.parametrize("name", sorted(PAIRS))
def test_the_tighter_of_two_holds_and_only_the_looser_is_a_loosening(name: str) -> None:
    loose, tight = (Limits(**{name: value}) for value in PAIRS[name])  # type: ignore[arg-type]
    assert tightest(loose, tight) == tightest(tight, loose) == tight
    assert loosened(tight, loose) == []
    assert loosened(loose, tight) == [name]


def written() -> st.SearchStrategy[dict[str, object]]:
    return st.fixed_dictionaries({}, optional={name: st.sampled_from(pair) for name, pair in PAIRS.items()})


@pytest.mark.statement(35)
@given(st.lists(written(), min_size=1, max_size=4))
def test_what_several_levels_say_together_is_no_looser_than_any_of_them(levels: list[dict[str, object]]) -> None:
    every = [Limits(**level) for level in levels]  # type: ignore[arg-type]
    joined = tightest(every[0], *every[1:])
    assert all(loosened(joined, each) == [] for each in every)
    assert tightest(joined, *every) == joined == tightest(*reversed(every))


def test_lists_of_products_without_a_common_one_let_nothing_pass() -> None:
    assert tightest(Limits(products=("MES",)), {"products": ["EP"]}).products == (NOTHING,)
    assert tightest(Limits(products=("MES",)), {"products": []}).products == ("MES",)  # empty: every known one


def test_a_level_speaks_only_of_what_it_names() -> None:
    assert tightest(Limits(max_position=9), {"max_order_qty": 2}) == Limits(max_position=9, max_order_qty=2)


def test_a_limit_with_a_misspelt_name_is_refused_with_the_right_one() -> None:
    with pytest.raises(
        UnknownName, match=r"unknown limit 'daily_los_usd' \(limits.yaml\); did you mean daily_loss_usd"
    ):
        value_of("daily_los_usd", 300, where="limits.yaml")


@pytest.mark.statement(29)
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("daily_loss_usd", "much"),
        ("max_position", 1.5),
        ("max_position", "two"),
        ("market_hours", 7),
        ("products", "MES"),
        ("daily_loss_usd", None),
    ],
)
def test_a_limit_of_the_wrong_kind_is_refused(name: str, value: object) -> None:
    with pytest.raises(InputError, match=name):
        value_of(name, value)


def test_limits_go_through_the_journal_as_they_are() -> None:
    limits = Limits(**{name: pair[1] for name, pair in PAIRS.items()})  # type: ignore[arg-type]
    assert msgspec.convert(msgspec.json.decode(msgspec.json.encode(limits)), Limits) == limits


# --- values that limit nothing ----------------------------------------------------------------------------------------

WRONG = {
    "on_breach": ("sometimes",),
    "equity_readings": (0, 1.5),
    "session_daily_loss_usd": (Decimal(0), Decimal("NaN"), Decimal("Infinity")),
    "session_drawdown_usd": (Decimal(-1),),
    "max_drawdown_usd": (Decimal(0),),
    "daily_profit_usd": (Decimal("NaN"),),
    "best_day_share": (0.0, 1.1, float("nan")),
    "floor_buffer_usd": (Decimal(-1), Decimal("NaN")),
    "capital_at_risk_usd": (Decimal(0),),
    "unstopped_ticks": (0,),
    "max_micros": (0,),
    "price_collar_ticks": (0,),
    "price_collar_percent": (0.0, float("inf"), float("nan")),
    "stale_after_s": (0.0, float("nan")),
    "max_flips": (-1,),
    "flips_minutes": (0.0, float("inf")),
    "consecutive_losses": (0,),
    "cool_down_s": (float("nan"),),
    "flat_by": ("3pm", "15:5", "24:00"),
    "expiry_days": (-1,),
    "roll_warn_days": (-1,),
    "blind_after_s": (0.0,),
    "blind_flatten_s": (float("inf"),),
    "unattended_after_s": (-1.0,),
}


@pytest.mark.statement(29)
@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in WRONG.items() for value in values])
def test_a_limit_that_limits_nothing_is_refused(name: str, value: object) -> None:
    with pytest.raises(InputError, match=name):
        Limits(**{name: value})  # type: ignore[arg-type]


def test_the_answers_to_a_breach_go_from_weak_to_strong() -> None:
    assert ON_BREACH == ("refuse", "session", "account")
