"""Events as text of the wire: rendered once, sent to every subscriber."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any

import msgspec

from workbench.domain.contract import Contract
from workbench.gateway.codes import DomType
from workbench.simulator.market import DEPTH_LEVELS, Board, Prints
from workbench.simulator.stamps import stamp

END = "\x1e"
_encode = msgspec.json.Encoder(decimal_format="number").encode


def slim(model: Any) -> dict[str, Any]:
    """Return a model as the hubs write it: no null members, whole-number prices without a fraction."""
    from decimal import Decimal

    members = msgspec.to_builtins(model, builtin_types=(Decimal,))
    return {key: _short(value) for key, value in members.items() if value is not None}


def _short(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value


def invocation(target: str, arguments: list[Any]) -> str:
    """Return an invocation record."""
    return f'{{"type":1,"target":"{target}","arguments":{_encode(arguments).decode()}}}{END}'


def user_event(target: str, action: int, model: Any, *, flat: bool = False) -> str:
    """Return a user event, wrapped as ``{action, data}`` unless `flat`."""
    data = slim(model)
    return invocation(target, [data if flat else {"action": action, "data": data}])


@lru_cache(maxsize=65536)
def _points(contract: Contract, ticks: int) -> str:
    price = contract.spec.price(ticks)
    return str(int(price)) if price.is_integer() else repr(price)


def points(contract: Contract, ticks: int | None) -> float | int | None:
    """Return a level as a JSON number."""
    return None if ticks is None else _short(contract.spec.price(ticks))


def trade_items(contract: Contract, prints: Prints) -> list[str]:
    """Return each print as the text of one array item."""
    head = f'{{"symbolId":"{contract.symbol_id}","contractId":"{contract.id}","price":'
    return [
        f'{head}{_points(contract, ticks)},"timestamp":"{stamp(ts)}","type":{side},"volume":{size}}}'
        for ts, ticks, size, side in zip(*(column.tolist() for column in prints), strict=True)
    ]


def trade_events(contract: Contract, prints: Prints, *, most: int, single: bool = False) -> Iterator[str]:
    """Yield trade events of at most `most` prints each; `single` sends bare objects instead of arrays."""
    items = trade_items(contract, prints)
    head = f'{{"type":1,"target":"GatewayTrade","arguments":["{contract.id}",'
    if single:
        yield from (f"{head}{item}]}}{END}" for item in items)
        return
    for start in range(0, len(items), most):
        yield f"{head}[{','.join(items[start : start + most])}]]}}{END}"


def quote_members(board: Board) -> dict[str, Any]:
    """Return everything a full quote says, without times."""
    contract = board.contract
    change = None if board.last is None or board.previous is None else board.last - board.previous
    before = None if board.previous is None else contract.spec.price(board.previous)
    now = None if board.last is None else contract.spec.price(board.last)
    return {
        "lastPrice": points(contract, board.last),
        "bestBid": points(contract, board.bid),
        "bestAsk": points(contract, board.ask),
        "change": points(contract, change),
        "changePercent": round((now - before) / before, 6) if before and now is not None else None,
        "open": points(contract, board.open),
        "high": points(contract, board.high),
        "low": points(contract, board.low),
        "volume": board.volume,
    }


def quote_event(board: Board, members: dict[str, Any], at: int) -> str:
    """Return a quote with these members."""
    said = {key: value for key, value in members.items() if value is not None}
    times = {"lastUpdated": stamp(board.at or at), "timestamp": stamp(at, 1)[:19] + "+00:00"}
    return invocation("GatewayQuote", [board.contract.id, {"symbol": board.contract.symbol_id, **said, **times}])


def depth_levels(board: Board) -> dict[tuple[int, int], int]:
    """Return the book: (DomType, ticks) → contracts. Sizes hang on the price alone: the same book each time."""
    if board.bid is None or board.ask is None:
        return {}
    levels = {}
    for n in range(DEPTH_LEVELS):
        for kind, ticks in ((DomType.BID, board.bid - n), (DomType.ASK, board.ask + n)):
            levels[(int(kind), ticks)] = 8 + (ticks * 2654435761 % 97) // 2 + 3 * n
    return levels


def depth_event(contract: Contract, items: Sequence[tuple[int, int | None, int]], at: int) -> str:
    """Return a depth event of (DomType, ticks, contracts) items."""
    when = stamp(at)
    rows = [
        {"price": points(contract, ticks) or 0, "volume": volume, "currentVolume": 0, "type": kind, "timestamp": when}
        for kind, ticks, volume in items
    ]
    return invocation("GatewayDepth", [contract.id, rows])
