"""Limits that act by themselves, in a backtest: one engine asks at every bar and obeys, others refuse."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import msgspec
import pytest

from tests.parity import scenes
from workbench.domain.errors import InputError
from workbench.risk.limits import Limits

LATER = Limits.__struct_fields__[7:]
ON = {
    "on_breach": "account", "equity_readings": 2, "best_day_share": 0.5, "price_collar_percent": 1.0,
    "stale_after_s": 5.0,
    "flips_minutes": 5.0, "cool_down_s": 5.0, "market_hours": True, "flat_by": "15:05", "news_flat": True,
    "blind_after_s": 5.0, "blind_flatten_s": 5.0, "unattended_after_s": 5.0, "expiry_days": 1, "roll_warn_days": 1,
}  # fmt: skip


def on(name: str) -> Limits:
    value = ON.get(name, Decimal(50) if name.endswith("_usd") else 3)
    return msgspec.structs.replace(Limits(), **{name: value})


@pytest.mark.statement(28)
@pytest.mark.parametrize("engine", ["kernel", "event"])
@pytest.mark.parametrize("name", LATER)
def test_an_engine_that_passes_bars_over_refuses_a_limit_that_it_would_ignore(name: str, engine: str) -> None:
    scene = scenes.LIMITS["daily_loss_usd"]
    prepared = replace(scene.prepared(), limits=on(name))
    with pytest.raises(InputError, match="needs every bar"):
        prepared.run(scene.strategy, engine)


def test_left_to_choose_a_backtest_with_such_limits_asks_at_every_bar_and_obeys() -> None:
    scene = scenes.LIMITS["daily_loss_usd"]
    plain = replace(scene.prepared(), limits=Limits())
    locked = replace(scene.prepared(), limits=Limits(unattended_after_s=60.0))  # nobody attends a backtest
    assert not locked.run(scene.strategy).orders.id.size
    assert plain.run(scene.strategy).orders.id.size
