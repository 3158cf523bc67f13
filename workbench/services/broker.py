"""The gateway's REST client in the words that runner, stop and reconcile use."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from workbench.domain.commands import ModifyOrder, Outcome
from workbench.domain.errors import GatewayError
from workbench.domain.events import BarClosed, PositionReported
from workbench.domain.order import Order
from workbench.domain.position import Fill
from workbench.gateway.budget import Priority
from workbench.gateway.rest import Rest

if TYPE_CHECKING:
    from workbench.domain.timeframe import Timeframe
    from workbench.risk.gate import Approved


class RestBroker:
    """One user's broker. Cancels, closes and what verifies them draw on the reserved budget."""

    def __init__(self, rest: Rest, *, urgent_reads: bool = False) -> None:
        self.rest = rest
        self._reads = Priority.URGENT if urgent_reads else Priority.NORMAL

    def entry_wait_s(self) -> float:
        """Seconds until the request budget has room for an entry; what reduces need not ask."""
        return self.rest.transport.budgets.other.wait_s(Priority.NORMAL)

    async def place(self, approved: Approved) -> Outcome:
        return await self.rest.place(approved)

    async def cancel(self, account_id: int, order_id: int) -> Outcome:
        return await self.rest.cancel(account_id, order_id)

    async def close(self, account_id: int, contract_id: str) -> Outcome:
        return await self.rest.close(account_id, contract_id)

    async def modify(self, command: ModifyOrder) -> Outcome:
        return await self.rest.modify(command)

    async def account(self, account: int) -> tuple[Decimal, bool]:
        """Balance (USD) and canTrade."""
        for found in await self.rest.accounts(only_active=False):
            if found.account == account:
                return found.balance, found.can_trade
        raise GatewayError(f"the gateway does not list account {account}; check the login it belongs to")

    async def orders(self, account: int, since: int) -> list[Order]:
        return await self.rest.orders(account, since, priority=self._reads)

    async def working(self, account: int) -> list[Order]:
        return await self.rest.working_orders(account, priority=self._reads)

    async def fills(self, account: int, since: int) -> list[Fill]:
        return await self.rest.trades(account, since, priority=self._reads)

    async def positions(self, account: int) -> list[PositionReported]:
        return await self.rest.positions(account, priority=self._reads)


async def fetch_closed(rest: Rest, contract: str, frame: Timeframe, start: int, end: int) -> list[BarClosed]:
    """Read the bars of [start, end) that have ended by `end`, oldest first; `at` is `end`, the time of reading."""
    from workbench.domain.contract import spec
    from workbench.domain.hours import trading_hours  # numpy: `workbench stop` must not wait for it

    hours = trading_hours(spec(contract))
    rows = await rest.bars(contract, frame, start, end)
    out = []
    for row in rows.iter_rows(named=True):
        begin = ns_of(row["ts"])
        close = frame.bar_end(begin, hours)
        if close <= end:
            bar = BarClosed(
                at=end,
                contract=contract,
                timeframe=frame.text,
                start=begin,
                end=close,
                open=row["open"],
                high=row["high"],
                low=row["low"],
                close=row["close"],
                volume=row["volume"],
            )
            out.append(bar)
    return out


def ns_of(value: object) -> int:
    """UTC ns of what polars gives back for a ts column (whole microseconds: bars start on whole seconds)."""
    seconds: float = value.timestamp()  # type: ignore[attr-defined]
    return round(seconds) * 1_000_000_000
