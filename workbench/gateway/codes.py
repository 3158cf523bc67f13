"""The gateway's integers by name: what an order is, and what an `errorCode` means at each endpoint.

The same integer means different things at different endpoints (1 is AccountNotFound for a place, OrderNotFound for an
order search by id), so there is one enum per endpoint and never a common one.
"""

from __future__ import annotations

from enum import IntEnum


class OrderSide(IntEnum):
    BID = 0  # buy
    ASK = 1  # sell


class OrderType(IntEnum):
    UNKNOWN = 0
    LIMIT = 1
    MARKET = 2
    STOP_LIMIT = 3
    STOP = 4
    TRAILING_STOP = 5
    JOIN_BID = 6
    JOIN_ASK = 7


class OrderStatus(IntEnum):
    """There is no partly-filled status: such an order stays OPEN with a `fillVolume` above 0."""

    NONE = 0
    OPEN = 1
    FILLED = 2
    CANCELLED = 3
    EXPIRED = 4
    REJECTED = 5
    PENDING = 6
    PENDING_CANCELLATION = 7
    SUSPENDED = 8


class PositionType(IntEnum):
    UNDEFINED = 0
    LONG = 1
    SHORT = 2


class DomType(IntEnum):
    UNKNOWN = 0
    ASK = 1
    BID = 2
    BEST_ASK = 3
    BEST_BID = 4
    TRADE = 5
    RESET = 6
    LOW = 7
    HIGH = 8
    NEW_BEST_BID = 9
    NEW_BEST_ASK = 10
    FILL = 11


class TradeLogType(IntEnum):
    """The aggressor of a print."""

    BUY = 0
    SELL = 1


class BarUnit(IntEnum):
    UNSPECIFIED = 0
    SECOND = 1
    MINUTE = 2
    HOUR = 3
    DAY = 4
    WEEK = 5
    MONTH = 6
    TICK = 7


class OrderSortField(IntEnum):
    CREATED_AT = 0
    ID = 1


class SortDirection(IntEnum):
    ASC = 0
    DESC = 1


class UserAction(IntEnum):
    """The `action` of a wrapped user-hub event."""

    CREATE = 0
    UPDATE = 1
    DELETE = 2


class LoginError(IntEnum):
    Success = 0
    UserNotFound = 1
    PasswordVerificationFailed = 2
    InvalidCredentials = 3
    AppNotFound = 4
    AppVerificationFailed = 5
    InvalidDevice = 6
    AgreementsNotSigned = 7
    UnknownError = 8
    ApiSubscriptionNotFound = 9
    ApiKeyAuthenticationDisabled = 10


class ValidateError(IntEnum):
    Success = 0
    InvalidSession = 1
    SessionNotFound = 2
    ExpiredToken = 3
    UnknownError = 4


class LogoutError(IntEnum):
    Success = 0
    InvalidSession = 1
    UnknownError = 2


class NoError(IntEnum):
    """Account/search, Contract/search and Contract/available know success only."""

    Success = 0


class ContractError(IntEnum):
    Success = 0
    ContractNotFound = 1


class BarsError(IntEnum):
    Success = 0
    ContractNotFound = 1
    UnitInvalid = 2
    UnitNumberInvalid = 3
    LimitInvalid = 4


class PlaceOrderError(IntEnum):
    Success = 0
    AccountNotFound = 1
    OrderRejected = 2
    InsufficientFunds = 3
    AccountViolation = 4
    OutsideTradingHours = 5
    OrderPending = 6
    UnknownError = 7
    ContractNotFound = 8
    ContractNotActive = 9
    AccountRejected = 10


class ModifyOrderError(IntEnum):
    Success = 0
    AccountNotFound = 1
    OrderNotFound = 2
    Rejected = 3
    Pending = 4
    UnknownError = 5
    AccountRejected = 6
    ContractNotFound = 7


class CancelOrderError(IntEnum):
    Success = 0
    AccountNotFound = 1
    OrderNotFound = 2
    Rejected = 3
    Pending = 4
    UnknownError = 5
    AccountRejected = 6


class AccountError(IntEnum):
    """Order, position and trade searches by account."""

    Success = 0
    AccountNotFound = 1


class OrderByIdError(IntEnum):
    Success = 0
    OrderNotFound = 1


class ClosePositionError(IntEnum):
    Success = 0
    AccountNotFound = 1
    PositionNotFound = 2
    ContractNotFound = 3
    ContractNotActive = 4
    OrderRejected = 5
    OrderPending = 6
    UnknownError = 7
    AccountRejected = 8


class PartialCloseError(IntEnum):
    Success = 0
    AccountNotFound = 1
    PositionNotFound = 2
    ContractNotFound = 3
    ContractNotActive = 4
    InvalidCloseSize = 5
    OrderRejected = 6
    OrderPending = 7
    UnknownError = 8
    AccountRejected = 9
