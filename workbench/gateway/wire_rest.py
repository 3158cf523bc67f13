"""The REST operations' requests, models and replies, member for member as they travel.

Both ends use them: the client encodes requests and decodes replies, the simulator does the reverse. Names become
camelCase on the wire; unknown members are ignored; timestamps stay text (`times.py` reads and writes them); money and
tick sizes are Decimal, prices are float points; enum members are plain ints (`codes.py` names them), so that a value
that is new to us does not make a whole reply unreadable. Members that one end may leave out have a default here;
replies still spell their nulls out, as the gateway does.
"""

from __future__ import annotations

from decimal import Decimal

import msgspec


class Wire(msgspec.Struct, rename="camel", kw_only=True):
    """Base of all REST messages."""


class Reply(Wire, kw_only=True):
    """The envelope. A business failure is HTTP 200 with `success` false and an endpoint's own `error_code`."""

    success: bool = True
    error_code: int = 0
    error_message: str | None = None


# --- authentication --------------------------------------------------------------------------------------------------


class LoginKeyRequest(Wire, kw_only=True):
    user_name: str
    api_key: str

    def __repr__(self) -> str:  # a key must not reach a log through a repr
        return f"LoginKeyRequest(user_name={self.user_name!r}, api_key=<{len(self.api_key)} characters>)"


class LoginAppRequest(Wire, kw_only=True):
    user_name: str
    password: str
    device_id: str
    app_id: str
    verify_key: str

    def __repr__(self) -> str:
        return f"LoginAppRequest(user_name={self.user_name!r}, password=<hidden>, app_id={self.app_id!r})"


class LoginReply(Reply, kw_only=True):
    token: str | None = None

    def __repr__(self) -> str:
        return f"LoginReply(success={self.success}, error_code={self.error_code}, token=<hidden>)"


class ValidateReply(Reply, kw_only=True):
    """`new_token` may be null on success: the old token stays good."""

    new_token: str | None = None

    def __repr__(self) -> str:
        return f"ValidateReply(success={self.success}, error_code={self.error_code}, new_token=<hidden>)"


class EmptyRequest(Wire, kw_only=True):
    """Auth/validate, Auth/logout and Status/ping take no body."""


# --- accounts and contracts ------------------------------------------------------------------------------------------


class AccountSearchRequest(Wire, kw_only=True):
    only_active_accounts: bool


class AccountModel(Wire, kw_only=True):
    """`balance` is realised, in USD; `can_trade` turns false after a breach or lock-out."""

    id: int
    name: str
    balance: Decimal
    can_trade: bool
    is_visible: bool = True
    simulated: bool = True


class AccountsReply(Reply, kw_only=True):
    accounts: list[AccountModel] | None = None


class ContractSearchRequest(Wire, kw_only=True):
    search_text: str
    live: bool


class ContractAvailableRequest(Wire, kw_only=True):
    live: bool


class ContractByIdRequest(Wire, kw_only=True):
    contract_id: str


class ContractModel(Wire, kw_only=True):
    id: str
    name: str
    description: str = ""
    tick_size: Decimal
    tick_value: Decimal
    active_contract: bool = False
    symbol_id: str = ""


class ContractsReply(Reply, kw_only=True):
    contracts: list[ContractModel] | None = None


class ContractReply(Reply, kw_only=True):
    contract: ContractModel | None = None


# --- history ---------------------------------------------------------------------------------------------------------


class BarsRequest(Wire, kw_only=True):
    contract_id: str
    live: bool
    start_time: str
    end_time: str
    unit: int
    unit_number: int
    limit: int
    include_partial_bar: bool


class BarModel(Wire, kw_only=True):
    """`t` is the bar's start."""

    t: str
    o: float
    h: float
    l: float  # noqa: E741 - the member's name on the wire
    c: float
    v: int


class BarsReply(Reply, kw_only=True):
    """Newest first; null or missing on failure."""

    bars: list[BarModel] | None = None


# --- orders ----------------------------------------------------------------------------------------------------------


class BracketModel(Wire, kw_only=True):
    """`ticks` counts from the entry's fill price and is signed in price direction; `type` is an OrderType."""

    ticks: int
    type: int


class PlaceOrderRequest(Wire, kw_only=True):
    account_id: int
    contract_id: str
    type: int
    side: int
    size: int
    limit_price: float | None = None
    stop_price: float | None = None
    trail_price: float | None = None
    custom_tag: str | None = None
    stop_loss_bracket: BracketModel | None = None
    take_profit_bracket: BracketModel | None = None


class PlaceOrderReply(Reply, kw_only=True):
    """A refused order is created all the same: `order_id` comes with `success` false too."""

    order_id: int | None = None


class ModifyOrderRequest(Wire, kw_only=True):
    """A member that is null or missing leaves its value unchanged."""

    account_id: int
    order_id: int
    size: int | None = None
    limit_price: float | None = None
    stop_price: float | None = None
    trail_price: float | None = None


class CancelOrderRequest(Wire, kw_only=True):
    account_id: int
    order_id: int


class OrderSearchRequest(Wire, kw_only=True):
    account_id: int
    start_timestamp: str
    end_timestamp: str | None = None


class AccountRequest(Wire, kw_only=True):
    """Order/searchOpen and Position/searchOpen."""

    account_id: int


class OrderByIdRequest(Wire, kw_only=True):
    account_id: int
    order_id: int


class OrderFilter(Wire, kw_only=True):
    account_id: int
    statuses: list[int] | None = None
    contract_id: str | None = None
    created_after: str | None = None
    created_before: str | None = None


class OrderQueryRequest(Wire, kw_only=True):
    filter: OrderFilter
    page_size: int | None = None
    page_offset: int | None = None
    sort_by: int | None = None
    sort_direction: int | None = None
    include_total_count: bool | None = None


class OrderModel(Wire, kw_only=True):
    """One order. `filled_price` is the average; read back, `trail_price` is a distance in price, not the level sent."""

    id: int
    account_id: int
    contract_id: str
    symbol_id: str | None = None
    creation_timestamp: str | None = None
    update_timestamp: str | None = None
    status: int
    type: int
    side: int
    size: int
    limit_price: float | None = None
    stop_price: float | None = None
    fill_volume: int | None = None
    filled_price: float | None = None
    custom_tag: str | None = None
    trail_distance: int | None = None
    trail_price: float | None = None
    parent_order_id: int | None = None
    linked_order_id: int | None = None


class OrdersReply(Reply, kw_only=True):
    orders: list[OrderModel] | None = None


class OrderReply(Reply, kw_only=True):
    order: OrderModel | None = None


class OrderQueryReply(Reply, kw_only=True):
    orders: list[OrderModel] | None = None
    total_count: int | None = None


# --- positions and trades --------------------------------------------------------------------------------------------


class PositionModel(Wire, kw_only=True):
    """`size` is unsigned, `type` tells the side; the average price may lie off the tick grid."""

    id: int
    account_id: int
    contract_id: str
    contract_display_name: str | None = None
    creation_timestamp: str | None = None
    type: int
    size: int
    average_price: float


class PositionsReply(Reply, kw_only=True):
    positions: list[PositionModel] | None = None


class ClosePositionRequest(Wire, kw_only=True):
    account_id: int
    contract_id: str


class PartialCloseRequest(Wire, kw_only=True):
    account_id: int
    contract_id: str
    size: int


class TradeSearchRequest(Wire, kw_only=True):
    account_id: int
    start_timestamp: str | None = None
    end_timestamp: str | None = None


class TradeModel(Wire, kw_only=True):
    """A half-turn. `profit_and_loss` null marks an opening one; fees and commissions are USD for all its contracts."""

    id: int
    account_id: int
    contract_id: str
    creation_timestamp: str
    price: float
    profit_and_loss: Decimal | None = None
    fees: Decimal = Decimal(0)
    commissions: Decimal | None = None
    side: int
    size: int
    voided: bool = False
    order_id: int


class TradesReply(Reply, kw_only=True):
    trades: list[TradeModel] | None = None
