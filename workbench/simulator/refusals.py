"""May this order be taken? One list of checks in the gateway's order; the first that objects gives code and words."""

from __future__ import annotations

from dataclasses import dataclass

from workbench.backtest.matcher import trail_distance, wrong_side
from workbench.domain.contract import Contract
from workbench.domain.errors import InputError
from workbench.domain.order import OrderType, Side
from workbench.gateway.codes import PlaceOrderError as Code
from workbench.gateway.messages import PlaceOrderRequest
from workbench.simulator import orders as words
from workbench.simulator.accounts import SimAccount
from workbench.simulator.market import Board
from workbench.simulator.orders import Bracket


@dataclass(slots=True, kw_only=True)
class Levels:
    """The prices of a request in ticks; `trail` is a distance."""

    limit: int | None = None
    stop: int | None = None
    trail: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Switches:
    """What a scenario may change about the checks."""

    position_brackets: bool = False
    unsigned_brackets: bool = False
    refuse_tag: bool = False
    allow_tag: bool = False
    hours_code: Code = Code.OrderRejected
    reject: str = ""


class Refusal(Exception):
    """The order is not taken: the endpoint's code and the service's words (None where it says nothing)."""

    def __init__(self, code: int, text: str | None) -> None:
        self.code, self.text = code, text
        super().__init__(f"{code}: {text}")


def rejected(text: str) -> Refusal:
    """Return the usual refusal: code 2 with the service's words."""
    return Refusal(Code.OrderRejected, text)


def ticks_of(contract: Contract, price: float | None, off_tick: str) -> int | None:
    """Return a price as ticks; `off_tick` are the words for one between two ticks."""
    if price is None:
        return None
    try:
        return contract.spec.ticks(price)
    except InputError as error:
        raise rejected(off_tick) from error


def check_levels(contract: Contract, kind: int, side: int, *, limit: float | None, stop: float | None,
                 trail: float | None, board: Board, is_new: bool) -> Levels:  # fmt: skip
    """Return the request's prices in ticks, or raise the Refusal the service would give.

    `is_new` False is a modify: no level is required then, and the trail has no maximum.
    """
    levels = Levels(
        limit=ticks_of(contract, limit, words.LIMIT_OFF_TICK), stop=ticks_of(contract, stop, words.STOP_OFF_TICK)
    )
    if board.last is None and is_new:
        raise rejected(words.NO_LAST if kind == OrderType.TRAILING_STOP else words.INVALID_SYMBOL)
    if kind == OrderType.LIMIT and levels.limit is None and is_new:
        raise rejected(words.NO_LIMIT)
    if kind == OrderType.STOP:
        if levels.stop is None and is_new:
            raise rejected(words.NO_STOP)
        if levels.stop is not None and wrong_side(Side(side), levels.stop, board.bid, board.ask):
            raise rejected(words.BUY_STOP_LOW if side == Side.BUY else words.SELL_STOP_HIGH)
    if kind == OrderType.TRAILING_STOP:
        levels.trail = _trail(contract, trail, board, is_new=is_new)
    return levels


def _trail(contract: Contract, trail: float | None, board: Board, *, is_new: bool) -> int | None:
    if trail is None:
        if is_new:
            raise rejected(words.NO_TRAIL)
        return None
    level = ticks_of(contract, trail, words.TRAIL_OFF_TICK)
    if board.last is None or level is None:
        raise rejected(words.NO_LAST)
    distance = trail_distance(board.last, level)
    if distance == 0:
        raise rejected(words.NO_TRAIL)
    if is_new and distance > words.MOST_TRAIL_TICKS:
        raise rejected(words.TRAIL_TOO_FAR)
    return distance


def check_shape(request: PlaceOrderRequest) -> None:
    """Size, type and side."""
    if request.size <= 0:
        raise rejected(words.BAD_SIZE)
    if request.type not in words.PLACEABLE:
        raise rejected(words.BAD_TYPE)
    if request.side not in (0, 1):
        raise rejected(words.BAD_SIDE)


def check_tag(account: SimAccount, tag: str | None, switches: Switches) -> None:
    """A tag is burnt by its first use, a refused one too."""
    if tag and (switches.refuse_tag or (tag in account.tags and not switches.allow_tag)):
        raise rejected(words.TAG_USED)


def check_brackets(
    account: SimAccount, request: PlaceOrderRequest, switches: Switches
) -> tuple[Bracket | None, Bracket | None]:
    """Return (stop loss, take profit) of the request."""
    legs = (("stop loss", request.stop_loss_bracket), ("take profit", request.take_profit_bracket))
    if any(leg is not None for _, leg in legs):
        if account.settings.bracket_mode == "position" or switches.position_brackets:
            raise rejected(words.NO_AUTO_OCO)
        for name, leg in legs:
            if leg is not None and (
                text := words.bracket_refusal(name, leg, request.side, signed=not switches.unsigned_brackets)
            ):
                raise rejected(text)
    return tuple(None if leg is None else Bracket(leg.ticks, leg.type) for _, leg in legs)  # type: ignore[return-value]


def check_account(account: SimAccount) -> None:
    """A breached account gives 4, one that may not trade at all 10, a locked day 4."""
    if account.failed:
        raise Refusal(Code.AccountViolation, words.VIOLATION)
    if not account.can_trade:
        raise Refusal(Code.AccountRejected, words.VIOLATION)
    if account.blocked:
        raise Refusal(Code.AccountViolation, account.blocked)
    if account.paused:
        raise rejected(account.paused)


def check_risk(account: SimAccount, contract: Contract, side: int, size: int) -> None:
    """The contract caps, counted on the position after the fill; a reduction is never refused."""
    position = account.positions.get(contract.id)
    held = position.qty if position else 0
    after = held + Side(side).sign * size
    if abs(after) > abs(held) and account.exceeds_cap(contract, after):
        raise rejected(words.TOO_BIG)
