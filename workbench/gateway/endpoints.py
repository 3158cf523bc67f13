"""The 21 REST operations as data: path, request, reply, error names, and which codes leave the outcome open."""

from __future__ import annotations

from enum import IntEnum
from typing import Any, Final

import msgspec

from workbench.gateway import codes as c
from workbench.gateway import wire_rest as w


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    """One operation. `ambiguous` codes mean: the outcome is unknown, reconcile, never send again blindly."""

    path: str
    request: type[Any]
    reply: type[Any]
    codes: type[IntEnum]
    method: str = "POST"
    authenticated: bool = True
    mutates: bool = False
    history: bool = False  # has a rate budget of its own
    ambiguous: frozenset[int] = frozenset()

    def code_name(self, code: int) -> str:
        """Return this endpoint's name of `code`, ``Code17`` for a number that is new to us.

        >>> PLACE_ORDER.code_name(5), CLOSE_POSITION.code_name(5), CANCEL_ORDER.code_name(17)
        ('OutsideTradingHours', 'OrderRejected', 'Code17')
        """
        return self.codes(code).name if code in self.codes.__members__.values() else f"Code{code}"


def _mutation(
    path: str,
    request: type[Any],
    codes: type[IntEnum],
    ambiguous: set[int],
    reply: type[Any] = w.Reply,
) -> Endpoint:
    return Endpoint(
        path=path,
        request=request,
        reply=reply,
        codes=codes,
        mutates=True,
        ambiguous=frozenset(map(int, ambiguous)),
    )


LOGIN_KEY: Final = Endpoint(
    path="/api/Auth/loginKey",
    request=w.LoginKeyRequest,
    reply=w.LoginReply,
    codes=c.LoginError,
    authenticated=False,
)
LOGIN_APP: Final = Endpoint(
    path="/api/Auth/loginApp",
    request=w.LoginAppRequest,
    reply=w.LoginReply,
    codes=c.LoginError,
    authenticated=False,
)
VALIDATE: Final = Endpoint(
    path="/api/Auth/validate",
    request=w.EmptyRequest,
    reply=w.ValidateReply,
    codes=c.ValidateError,
)
LOGOUT: Final = Endpoint(path="/api/Auth/logout", request=w.EmptyRequest, reply=w.Reply, codes=c.LogoutError)
ACCOUNT_SEARCH: Final = Endpoint(
    path="/api/Account/search",
    request=w.AccountSearchRequest,
    reply=w.AccountsReply,
    codes=c.NoError,
)
CONTRACT_SEARCH: Final = Endpoint(
    path="/api/Contract/search",
    request=w.ContractSearchRequest,
    reply=w.ContractsReply,
    codes=c.NoError,
)
CONTRACT_BY_ID: Final = Endpoint(
    path="/api/Contract/searchById",
    request=w.ContractByIdRequest,
    reply=w.ContractReply,
    codes=c.ContractError,
)
CONTRACT_AVAILABLE: Final = Endpoint(
    path="/api/Contract/available",
    request=w.ContractAvailableRequest,
    reply=w.ContractsReply,
    codes=c.NoError,
)
RETRIEVE_BARS: Final = Endpoint(
    path="/api/History/retrieveBars",
    request=w.BarsRequest,
    reply=w.BarsReply,
    codes=c.BarsError,
    history=True,
)
PLACE_ORDER: Final = _mutation(
    "/api/Order/place",
    w.PlaceOrderRequest,
    c.PlaceOrderError,
    {c.PlaceOrderError.OrderPending, c.PlaceOrderError.UnknownError},
    w.PlaceOrderReply,
)
MODIFY_ORDER: Final = _mutation(
    "/api/Order/modify",
    w.ModifyOrderRequest,
    c.ModifyOrderError,
    {c.ModifyOrderError.Pending, c.ModifyOrderError.UnknownError},
)
CANCEL_ORDER: Final = _mutation(
    "/api/Order/cancel",
    w.CancelOrderRequest,
    c.CancelOrderError,
    {c.CancelOrderError.Pending, c.CancelOrderError.UnknownError},
)
ORDER_SEARCH: Final = Endpoint(
    path="/api/Order/search",
    request=w.OrderSearchRequest,
    reply=w.OrdersReply,
    codes=c.AccountError,
)
ORDER_SEARCH_OPEN: Final = Endpoint(
    path="/api/Order/searchOpen",
    request=w.AccountRequest,
    reply=w.OrdersReply,
    codes=c.AccountError,
)
ORDER_BY_ID: Final = Endpoint(
    path="/api/Order/searchById",
    request=w.OrderByIdRequest,
    reply=w.OrderReply,
    codes=c.OrderByIdError,
)
ORDER_QUERY: Final = Endpoint(
    path="/api/Order/v2/query",
    request=w.OrderQueryRequest,
    reply=w.OrderQueryReply,
    codes=c.AccountError,
)
POSITION_SEARCH_OPEN: Final = Endpoint(
    path="/api/Position/searchOpen",
    request=w.AccountRequest,
    reply=w.PositionsReply,
    codes=c.AccountError,
)
CLOSE_POSITION: Final = _mutation(
    "/api/Position/closeContract",
    w.ClosePositionRequest,
    c.ClosePositionError,
    {c.ClosePositionError.OrderPending, c.ClosePositionError.UnknownError},
)
PARTIAL_CLOSE: Final = _mutation(
    "/api/Position/partialCloseContract",
    w.PartialCloseRequest,
    c.PartialCloseError,
    {c.PartialCloseError.OrderPending, c.PartialCloseError.UnknownError},
)
TRADE_SEARCH: Final = Endpoint(
    path="/api/Trade/search",
    request=w.TradeSearchRequest,
    reply=w.TradesReply,
    codes=c.AccountError,
)
PING: Final = Endpoint(
    path="/api/Status/ping",
    request=w.EmptyRequest,
    reply=str,
    codes=c.NoError,
    method="GET",
    authenticated=False,
)

ENDPOINTS: Final[dict[str, Endpoint]] = {
    e.path: e
    for e in (
        LOGIN_KEY,
        LOGIN_APP,
        VALIDATE,
        LOGOUT,
        ACCOUNT_SEARCH,
        CONTRACT_SEARCH,
        CONTRACT_BY_ID,
        CONTRACT_AVAILABLE,
        RETRIEVE_BARS,
        PLACE_ORDER,
        MODIFY_ORDER,
        CANCEL_ORDER,
        ORDER_SEARCH,
        ORDER_SEARCH_OPEN,
        ORDER_BY_ID,
        ORDER_QUERY,
        POSITION_SEARCH_OPEN,
        CLOSE_POSITION,
        PARTIAL_CLOSE,
        TRADE_SEARCH,
        PING,
    )
}
