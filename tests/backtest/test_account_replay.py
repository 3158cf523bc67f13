"""Several strategies on one account: one after the other they use up the same limits."""

from __future__ import annotations

from decimal import Decimal

import pytest

from tests.backtest.play import enter, frame
from tests.rules.build import strategy_text
from workbench.backtest.account_replay import replay_account
from workbench.backtest.costs import FREE
from workbench.backtest.prepared import Prepared
from workbench.backtest.series import series
from workbench.domain.contract import parse_contract
from workbench.domain.errors import InputError
from workbench.domain.timeframe import timeframe
from workbench.risk.limits import Limits
from workbench.rules import parse_strategy

UP = (1000.0, 1001.0, 1000.0, 1001.0)
FALL = (990.0, 990.0, 990.0, 990.0)
BARS = [UP, (1001.0, 1001.0, 1001.0, 1001.0), FALL, UP, UP, UP]


def prepared(code: str, limits: Limits) -> Prepared:
    return Prepared(series=series(frame(BARS), parse_contract(code), timeframe("1m")), costs=FREE, limits=limits)


def long(root: str) -> str:
    return strategy_text(roots=f"[{root}]", entry="{long: 'close > 1000'}", stop="{ticks: 8}")


def test_alone_and_together_they_do_the_same_while_no_limit_is_near() -> None:
    limits = Limits()
    items = [
        (parse_strategy(long(root)), prepared(code, limits)) for root, code in (("MES", "MESU25"), ("MNQ", "MNQU25"))
    ]
    together = replay_account(items)
    for (strategy, bars), played in zip(items, together, strict=True):
        assert not bars.run(strategy, "kernel").difference(played)


def test_the_loss_of_one_ends_the_entries_of_the_other() -> None:
    # MES loses 44 ticks × 1.25 = 55 USD in the gap of the third bar: with a limit of 50 the other enters no more
    limits = Limits(daily_loss_usd=Decimal(50))
    first = enter(stop="{ticks: 8}")
    late = parse_strategy(strategy_text(roots="[MNQ]", entry="{long: 'close > 1000 and close[1] < 1000'}"))
    items = [(first, prepared("MESU25", limits)), (late, prepared("MNQU25", limits))]
    alone = prepared("MNQU25", limits).run(late, "kernel")
    together = replay_account(items)
    assert len(alone.fills) == 1 and len(together[1].fills) == 0
    assert any("daily_loss_usd" in text for _, text in together[1].alerts)


def test_one_contract_cannot_be_traded_twice_on_an_account() -> None:
    limits = Limits()
    strategy = parse_strategy(long("MES"))
    with pytest.raises(InputError, match="traded by 2 strategies"):
        replay_account([(strategy, prepared("MESU25", limits)), (strategy, prepared("MESU25", limits))])
