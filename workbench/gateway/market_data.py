"""What the market hub says, as plain values: prints in order of arrival, and quotes merged from sparse updates."""

from __future__ import annotations

from typing import Any

import msgspec

from workbench.domain.errors import RemoteProtocolError
from workbench.gateway.times import parse_timestamp
from workbench.gateway.translate import FAR, LAST, model, user_items
from workbench.gateway.wire_hub import Print, QuoteUpdate


class TradeSeen(msgspec.Struct, frozen=True, gc=False):
    """One print: exchange stamp (UTC ns), price in points, contracts, aggressor (0 buy, 1 sell, -1 unknown)."""

    contract: str
    ts: int
    price: float
    size: int
    side: int


class QuoteSeen(msgspec.Struct, frozen=True, gc=False):
    """Best bid, best ask and last price (points, None = not seen yet), merged from sparse updates."""

    contract: str
    ts: int
    bid: float | None
    ask: float | None
    last: float | None
    volume: float | None


def trades_seen(arguments: Any) -> tuple[list[TradeSeen], list[str]]:
    """Return the prints of a GatewayTrade event in order, and what was wrong with those that are left out."""
    contract, items = _contract_and_items(arguments)
    seen: list[TradeSeen] = []
    faults: list[str] = []
    for item in items:
        try:
            seen.append(_trade_seen(contract, item))
        except RemoteProtocolError as error:
            faults.append(str(error))
    return seen, faults


def _trade_seen(contract: str, item: Any) -> TradeSeen:
    row = item if isinstance(item, Print) else model(Print, item)
    if row.volume < 0 or abs(row.price) > FAR:
        raise RemoteProtocolError(f"a print of {row.volume} contracts at {row.price}")
    where, ts = contract or _member(item, "contractId"), parse_timestamp(row.timestamp)
    if not 0 < ts < LAST:  # the zero of somebody's clock
        raise RemoteProtocolError(f"a print at {row.timestamp[:60]}")
    return TradeSeen(where, ts, row.price, row.volume, row.type if row.type in (0, 1) else -1)


class QuoteCache:
    """Sparse quotes merged per contract: what an update leaves out stays as it was."""

    def __init__(self) -> None:
        self._last: dict[str, QuoteSeen] = {}

    def merge(self, arguments: Any) -> QuoteSeen | None:
        """Return the whole quote after a GatewayQuote event, None if the event is empty."""
        contract, items = _contract_and_items(arguments)
        merged = None
        for item in items:
            update = item if isinstance(item, QuoteUpdate) else model(QuoteUpdate, item)
            where = contract or _member(item, "contract")
            old = self._last.get(where) or QuoteSeen(where, 0, None, None, None, None)
            merged = self._last[where] = QuoteSeen(
                where,
                parse_timestamp(update.timestamp) if update.timestamp else old.ts,
                old.bid if update.best_bid is None else update.best_bid,
                old.ask if update.best_ask is None else update.best_ask,
                old.last if update.last_price is None else update.last_price,
                old.volume if update.volume is None else update.volume,
            )
        return merged

    def clear(self) -> None:
        """Forget everything: after a reconnect the first quote is full again."""
        self._last.clear()


def _member(item: Any, name: str) -> str:
    """Return the contract id that an item of an event without one carries itself."""
    found = item.get(name) if isinstance(item, dict) else None
    if not isinstance(found, str):
        raise RemoteProtocolError("a market event without a contract id")
    return found


def _contract_and_items(arguments: Any) -> tuple[str, list[Any]]:
    """Return the contract id of a market event ('' when only the items may know) and its payload objects."""
    if not isinstance(arguments, (list, tuple)) or not arguments:
        raise RemoteProtocolError("a market event without arguments")
    if not isinstance(arguments[0], str):
        items = user_items(list(arguments))
        if not items:
            raise RemoteProtocolError("a market event without data")
        return "", items
    if len(arguments) < 2:
        raise RemoteProtocolError("a market event without data")
    data = arguments[1]
    if isinstance(data, (Print, QuoteUpdate)):
        return arguments[0], [data]
    if isinstance(data, list) and data and isinstance(data[0], Print):
        return arguments[0], data
    return arguments[0], user_items(list(arguments[1:]))
