"""What the operator would have been told, from the numbers that the compiled engine writes down."""

from __future__ import annotations

from decimal import Decimal
from functools import lru_cache

from workbench.backtest.account import PAUSED
from workbench.backtest.margin import REFUSED
from workbench.domain.commands import PlaceOrder
from workbench.domain.contract import Contract
from workbench.domain.order import OrderType, Side
from workbench.domain.programme import TOO_BIG
from workbench.risk.gate import Refused, View, check
from workbench.risk.limits import Limits

CANNOT_TRADE, RATE_CODE = 1, 6
BROKER = {10: PAUSED, 11: TOO_BIG, 12: REFUSED}
LOCKED = "the firm has locked this account (canTrade is false): no entries"


@lru_cache(maxsize=4096)
def told(contract: Contract, limits: Limits, code: int, signed: int, orders: int, pnl_e4: int) -> str:
    """Return the text of an alert; the parameters are those of `refusal`."""
    if code == 20:
        return LOCKED
    if code in BROKER:
        return f"order refused by the gateway: {BROKER[code]}"
    return refusal(contract, limits, code, signed, orders, pnl_e4)


def refusal(contract: Contract, limits: Limits, code: int, signed: int, orders: int, pnl_e4: int) -> str:
    """Return the alert of a refused entry, in the gate's own words.

    Parameters
    ----------
    contract : Contract
    limits : Limits
        That held for the order.
    code : int
        Why, as in `kernel_fills`.
    signed : int
        Contracts of the order, + to buy.
    orders : int
        Orders it stands for with its legs; orders of the last minute when it was the rate.
    pnl_e4 : int
        Profit of the trading date, 1/10,000 USD.
    """
    rate = code == RATE_CODE
    legs = 0 if rate else orders - 1
    command = PlaceOrder(
        account=1, contract=contract.id, tag="new", side=Side.BUY if signed > 0 else Side.SELL, type=OrderType.MARKET,
        qty=abs(signed),
        stop_loss_ticks=-4 if legs > 0 else None, take_profit_ticks=4 if legs > 1 else None,
    )  # fmt: skip
    view = View(
        root=contract.spec.root, position=0, working_buy=0, working_sell=0, open_orders=0,
        can_trade=code != CANNOT_TRADE,
        day_pnl_usd=Decimal(pnl_e4) / 10_000, orders_last_minute=orders if rate else 0,
    )  # fmt: skip
    verdict = check(command, view, limits)
    if not isinstance(verdict, Refused):
        raise AssertionError(f"the compiled engine refused what the gate lets pass: code {code}, {command}, {view}")  # noqa: TRY004
    return refusal_text(verdict)


def refusal_text(verdict: Refused) -> str:
    """Return the alert that `execution.step` makes of a refusal."""
    return f"order refused ({verdict.code}): {verdict.reason}"
