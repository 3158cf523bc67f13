"""REST: reads are tried again, mutations are sent once, and nothing unclear is ever called a rejection."""

from __future__ import annotations

import asyncio
import json
import logging
import random
from decimal import Decimal
from typing import Any

import httpx
import pytest

from tests.gateway.fakes import FakeTime, Host, Tokens, refusal, reply
from workbench.domain.commands import Accepted, ModifyOrder, PlaceOrder, Rejected, Unknown
from workbench.domain.errors import AuthenticationError, RemoteProtocolError
from workbench.domain.order import OrderType, Side, Status
from workbench.gateway import transport
from workbench.gateway.budget import Priority, SlidingBudget
from workbench.gateway.endpoints import ACCOUNT_SEARCH, ENDPOINTS
from workbench.gateway.faults import GatewayRefused, GatewayUnavailable
from workbench.gateway.rest import READ_TRIES, Rest
from workbench.gateway.tokens import LoginTokens
from workbench.risk.gate import Approved, View, check
from workbench.risk.limits import Limits

MES = "CON.F.US.MES.Z26"
ORDER = {
    "id": 240001177,
    "accountId": 7,
    "contractId": MES,
    "creationTimestamp": "2026-11-20T15:07:12.481306+00:00",
    "updateTimestamp": "2026-11-20T15:07:12.583922+00:00",
    "status": 1,
    "type": 1,
    "side": 0,
    "size": 2,
    "limitPrice": 6710.25,
    "fillVolume": 0,
    "customTag": "t-1",
}


class Case:
    """A REST client on a scripted host."""

    def __init__(self, host: Host) -> None:
        self.host, self.tokens, self.time = host, Tokens(), FakeTime()
        self.rest = Rest(
            "http://gateway",
            self.tokens,
            transport=host.transport,
            now=lambda: 42,
            sleep=self.time.sleep,
            rng=random.Random(1),
        )

    def share_time(self) -> None:
        """Let the budget live by this clock, too."""
        other = SlidingBudget(200, 60.0, clock=self.time.monotonic, sleep=self.time.sleep)
        self.rest.transport.budgets.other = other


def approved(**changes: Any) -> Approved:
    order = PlaceOrder(
        **{
            "account": 7,
            "contract": MES,
            "tag": "t-1",
            "side": Side.BUY,
            "type": OrderType.LIMIT,
            "qty": 2,
            "limit_ticks": 26_841,
            "stop_loss_ticks": -16,
            "take_profit_ticks": 24,
            **changes,
        }
    )
    view = View(
        root="MES",
        position=0,
        working_buy=0,
        working_sell=0,
        open_orders=0,
        day_pnl_usd=Decimal(0),
        can_trade=True,
    )
    verdict = check(order, view, Limits(max_order_qty=10, max_position=10, max_open_orders=10))
    assert isinstance(verdict, Approved), verdict
    return verdict


# --- reads -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "trouble",
    [httpx.ConnectError("refused"), httpx.ReadTimeout("slow"), httpx.Response(503, text="<html>"), httpx.Response(200)],
)
async def test_a_read_is_tried_again_until_it_answers(trouble: Any) -> None:
    case = Case(Host(Account__search=[trouble, trouble, reply(accounts=[])]))
    assert await case.rest.accounts() == []
    assert len(case.host.requests) == 3
    assert len(case.time.slept) == 2
    assert all(0 <= s <= 1.0 for s in case.time.slept)


async def test_a_read_gives_up_with_the_last_reason() -> None:
    case = Case(Host(Account__search=httpx.Response(502)))
    with pytest.raises(GatewayUnavailable, match="HTTP 502"):
        await case.rest.accounts()
    assert len(case.host.requests) == READ_TRIES


async def test_an_urgent_read_gives_up_soon_and_waits_briefly() -> None:
    case = Case(Host(Position__searchOpen=httpx.Response(502)))
    with pytest.raises(GatewayUnavailable):
        await case.rest.positions(7, priority=Priority.URGENT)
    assert len(case.host.requests) == 2
    assert sum(case.time.slept) <= 0.5
    assert {r.extensions["timeout"]["read"] for r in case.host.requests} == {5.0}


@pytest.mark.statement(31)
@pytest.mark.parametrize("headers", [{"Retry-After": "60"}, {}])
async def test_a_429_holds_the_readings_of_a_stop_back_for_a_second_and_ordinary_ones_for_all_of_it(
    headers: dict[str, str],
) -> None:
    case = Case(Host(Position__searchOpen=[httpx.Response(429, headers=headers), reply(positions=[])]))
    case.share_time()
    assert await case.rest.positions(7, priority=Priority.URGENT) == []
    assert case.time.now == 1.0
    assert case.rest.transport.budgets.other.wait_s() == (59.0 if headers else 4.0)


@pytest.mark.statement(31)
async def test_cancels_and_closes_of_somebody_who_was_refused_leave_within_seconds_and_once_each() -> None:
    limited = httpx.Response(429, headers={"Retry-After": "60"})
    case = Case(Host(Order__cancel=[limited, limited, reply()], Position__closeContract=reply()))
    case.share_time()
    first, second = await case.rest.cancel(7, 1), await case.rest.cancel(7, 1)
    assert (first.code, second.code) == (429, 429) and {type(first), type(second)} == {Unknown}
    assert await case.rest.cancel(7, 1) == Accepted()
    assert await case.rest.close(7, MES) == Accepted()
    assert case.time.now == 3.0  # one second after the first, two after the second
    assert len(case.host.requests) == 4


async def test_a_login_does_not_wait_out_what_ordinary_requests_do() -> None:
    case = Case(Host(Auth__loginKey=reply(token="t"), Position__searchOpen=reply(positions=[])))
    case.share_time()
    case.rest.tokens = LoginTokens(case.rest.transport, "me", "key")
    case.rest.transport.budgets.other.pause(60.0)
    assert await case.rest.positions(7, priority=Priority.URGENT) == []
    assert case.time.now == 0.0


@pytest.mark.parametrize(
    ("path", "seconds"), [("Order/cancel", 5), ("Order/modify", 5), ("Position/closeContract", 5), ("Order/place", 15)]
)
async def test_a_cancel_or_close_that_hangs_is_unknown_after_five_seconds(path: str, seconds: float) -> None:
    act, _ = ACTIONS[path]
    case = Case(Host())
    case.host.on(path, httpx.ReadTimeout("slow"))
    assert isinstance(await act(case.rest), Unknown)
    assert {r.extensions["timeout"]["read"] for r in case.host.requests} == {seconds}


async def test_an_answer_that_comes_in_drips_is_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "URGENT_TIMEOUT_S", 0.01)

    async def drip(request: httpx.Request) -> httpx.Response:
        await asyncio.sleep(30)
        return reply()

    rest = Rest("http://gateway", Tokens(), transport=httpx.MockTransport(drip))
    outcome = await rest.cancel(7, 1)
    assert isinstance(outcome, Unknown) and "TimeoutError" in outcome.reason


@pytest.mark.parametrize(("header", "least"), [({"Retry-After": "9"}, 9.0), ({}, 5.0)])
async def test_a_429_is_waited_out_as_long_as_the_gateway_asked(header: dict[str, str], least: float) -> None:
    case = Case(Host(Account__search=[httpx.Response(429, headers=header), reply(accounts=[])]))
    case.rest.transport.budgets.other._clock = case.time.monotonic
    await case.rest.accounts()
    assert least <= case.time.slept[0] <= least + 1.0


async def test_a_429_pauses_every_request_of_the_budget() -> None:
    case = Case(Host(Account__search=httpx.Response(429, headers={"Retry-After": "20"})))
    with pytest.raises(GatewayUnavailable):
        await case.rest.transport.exchange(ACCOUNT_SEARCH)
    assert case.rest.transport.budgets.other.wait_s() > 19


async def test_a_401_of_a_read_is_answered_with_one_new_token() -> None:
    case = Case(Host(Account__search=[httpx.Response(401), reply(accounts=[])]))
    await case.rest.accounts()
    assert case.tokens.renewed == ["token-0"]
    assert [r.headers["authorization"] for r in case.host.requests] == ["Bearer token-0", "Bearer token-1"]


async def test_a_second_401_is_an_error_not_a_loop() -> None:
    case = Case(Host(Account__search=httpx.Response(401)))
    with pytest.raises(AuthenticationError):
        await case.rest.accounts()
    assert len(case.host.requests) == 2


async def test_a_refused_read_tells_the_endpoints_own_name() -> None:
    case = Case(Host(Order__search=refusal(1)))
    with pytest.raises(GatewayRefused, match=r"AccountNotFound \(1\)") as caught:
        await case.rest.orders(7, 0)
    assert (caught.value.code, caught.value.name) == (1, "AccountNotFound")
    assert len(case.host.requests) == 1


async def test_a_missing_list_of_positions_is_never_taken_as_flat() -> None:
    case = Case(Host(Position__searchOpen=reply(positions=None)))
    with pytest.raises(RemoteProtocolError, match="positions"):
        await case.rest.positions(7)


async def test_models_come_back_as_domain_values() -> None:
    host = Host(
        Account__search=reply(accounts=[{"id": 7, "name": "PRAC-1", "balance": 149820.55, "canTrade": True}]),
        Order__searchOpen=reply(orders=[ORDER]),
        Order__searchById=reply(order=ORDER),
        Position__searchOpen=reply(
            positions=[{"id": 1, "accountId": 7, "contractId": MES, "type": 2, "size": 3, "averagePrice": 6710.1}]
        ),
        Trade__search=reply(
            trades=[
                {
                    "id": 9,
                    "accountId": 7,
                    "contractId": MES,
                    "creationTimestamp": "2026-11-20T15:09:03.2214309+00:00",
                    "price": 6713.5,
                    "profitAndLoss": None,
                    "fees": 0.74,
                    "commissions": 0.5,
                    "side": 1,
                    "size": 2,
                    "voided": False,
                    "orderId": 4,
                }
            ]
        ),
    )
    rest = Case(host).rest
    (account,) = await rest.accounts()
    assert (account.account, account.balance, account.at) == (7, Decimal("149820.55"), 42)
    (order,) = await rest.open_orders(7)
    assert (order.status, order.limit_ticks, order.tag) == (Status.WORKING, 26_841, "t-1")  # 6710.25 / 0.25
    assert await rest.order_by_id(7, 240001177) == order
    (position,) = await rest.positions(7)
    assert (position.qty, position.average_price) == (-3, 6710.1)
    (fill,) = await rest.trades(7, 0)
    assert (fill.qty, fill.ticks, fill.fees, fill.gross_pnl) == (-2, 26_854, Decimal("1.24"), None)


async def test_an_order_the_gateway_has_not_is_none() -> None:
    assert await Case(Host(Order__searchById=refusal(1))).rest.order_by_id(7, 1) is None


async def test_working_orders_are_read_page_by_page_with_suspended_legs() -> None:
    orders = [ORDER | {"id": i, "status": (1, 6, 7, 8)[i % 4]} for i in range(130)]

    def query(request: httpx.Request) -> httpx.Response:
        body = json.loads(request.content)
        at = body["pageOffset"]
        return reply(orders=orders[at : at + body["pageSize"]], totalCount=None)

    case = Case(Host(Order__v2__query=query))
    found = await case.rest.working_orders(7)
    assert sorted(o.order_id or 0 for o in found) == list(range(130))
    assert {o.status for o in found} == {Status.WORKING, Status.PENDING, Status.SUSPENDED}
    assert case.host.bodies("Order/v2/query")[0]["filter"] == {
        "accountId": 7,
        "statuses": [1, 6, 7, 8],
        "contractId": None,
        "createdAfter": None,
        "createdBefore": None,
    }


async def test_ping_needs_no_token() -> None:
    case = Case(Host(Status__ping=httpx.Response(200, json="pong")))
    assert await case.rest.ping() == "pong"
    assert "authorization" not in case.host.requests[0].headers


# --- mutations -------------------------------------------------------------------------------------------------------


async def test_an_approved_order_leaves_once_in_wire_form() -> None:
    case = Case(Host(Order__place=reply(orderId=240001177)))
    assert await case.rest.place(approved()) == Accepted(order_id=240001177)
    assert case.host.bodies("Order/place") == [
        {
            "accountId": 7,
            "contractId": MES,
            "type": 1,
            "side": 0,
            "size": 2,
            "limitPrice": 6710.25,
            "stopPrice": None,
            "trailPrice": None,
            "customTag": "t-1",
            "stopLossBracket": {"ticks": -16, "type": 4},
            "takeProfitBracket": {"ticks": 24, "type": 1},
        }
    ]


UNCLEAR = [
    httpx.ReadTimeout("slow"),
    httpx.ConnectError("refused"),
    httpx.RemoteProtocolError("reset"),
    httpx.Response(500),
    httpx.Response(503, text="<html>"),
    httpx.Response(401),
    httpx.Response(404),
    httpx.Response(429, headers={"Retry-After": "1"}),
    httpx.Response(200, text="<html>"),
    httpx.Response(200, text=""),
    httpx.Response(200, json={"success": "maybe"}),
    refusal(0),
    refusal(99),
]
ACTIONS = {
    "Order/place": (lambda r: r.place(approved()), (6, 7)),
    "Order/cancel": (lambda r: r.cancel(7, 1), (4, 5)),
    "Order/modify": (lambda r: r.modify(ModifyOrder(account=7, contract=MES, order_id=1, stop_ticks=5)), (4, 5)),
    "Position/closeContract": (lambda r: r.close(7, MES), (6, 7)),
    "Position/partialCloseContract": (lambda r: r.partial_close(7, MES, 1), (7, 8)),
}


@pytest.mark.parametrize("path", ACTIONS)
@pytest.mark.parametrize("trouble", UNCLEAR, ids=lambda t: type(t).__name__)
async def test_what_is_unclear_is_unknown_and_never_sent_again(path: str, trouble: Any) -> None:
    act, _ = ACTIONS[path]
    case = Case(Host())
    case.host.on(path, trouble)
    outcome = await act(case.rest)
    assert isinstance(outcome, Unknown), outcome
    assert outcome.reason
    assert len(case.host.requests) == 1
    was_token_bad = isinstance(trouble, httpx.Response) and trouble.status_code == 401
    assert case.tokens.renewed == ["token-0"] * was_token_bad  # for the next command


@pytest.mark.parametrize("path", ACTIONS)
async def test_ambiguous_codes_are_unknown_and_clear_ones_rejected(path: str) -> None:
    act, ambiguous = ACTIONS[path]
    for code in range(1, 9):
        case = Case(Host())
        case.host.on(path, refusal(code, "because"))
        outcome = await act(case.rest)
        known = code in {int(c) for c in ENDPOINTS[f"/api/{path}"].codes}
        assert isinstance(outcome, Unknown if code in ambiguous or not known else Rejected), (code, outcome)
        assert outcome.code == code


async def test_a_rejected_place_keeps_its_order_id_and_the_gateways_text() -> None:
    text = "Invalid stop loss ticks (40). Ticks should be less than zero when longing."
    case = Case(Host(Order__place=refusal(2, text, orderId=5)))
    assert await case.rest.place(approved()) == Rejected(code=2, name="OrderRejected", reason=text, order_id=5)


async def test_a_body_that_could_not_be_bound_is_a_clear_no() -> None:
    case = Case(Host(Order__cancel=httpx.Response(400, json={"title": "One or more validation errors occurred."})))
    assert isinstance(await case.rest.cancel(7, 1), Rejected)


async def test_a_bracket_with_the_wrong_sign_is_not_sent() -> None:
    case = Case(Host(Order__place=reply(orderId=1)))
    outcome = await case.rest.place(approved(stop_loss_ticks=16))
    assert isinstance(outcome, Rejected)
    assert outcome.name == "NotSent"
    assert "signed" in outcome.reason
    assert case.host.requests == []


async def test_no_token_means_unknown_without_a_request() -> None:
    case = Case(Host(Order__cancel=reply()))

    async def get() -> str:
        raise AuthenticationError("the desk is gone")

    case.tokens.get = get  # type: ignore[method-assign]
    assert isinstance(await case.rest.cancel(7, 1), Unknown)
    assert case.host.requests == []


async def test_close_and_cancel_pass_where_ordinary_requests_wait() -> None:
    case = Case(Host(Order__cancel=reply(), Position__closeContract=reply()))
    budget = case.rest.transport.budgets.other
    for _ in range(96):
        await budget.acquire()
    assert budget.wait_s() > 50
    assert await case.rest.cancel(7, 1) == Accepted()
    assert await case.rest.close(7, MES) == Accepted()


async def test_a_modify_leaves_what_it_does_not_name() -> None:
    case = Case(Host(Order__modify=reply()))
    await case.rest.modify(ModifyOrder(account=7, contract=MES, order_id=3, stop_ticks=26_800))
    assert case.host.bodies("Order/modify") == [
        {"accountId": 7, "orderId": 3, "size": None, "limitPrice": None, "stopPrice": 6700.0, "trailPrice": None}
    ]


# --- secrets ---------------------------------------------------------------------------------------------------------


async def test_no_error_and_no_log_holds_the_token(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    secret = "eyJhbGciOiJIUzI1NiJ9.eyJleHAiOjE3OTU0MjE0MDB9.c2ln"

    def echo(request: httpx.Request) -> httpx.Response:
        return refusal(2, f"you sent {request.headers['authorization']}")

    for answer in (echo, httpx.Response(400, text=f"Bearer {secret}"), httpx.ReadError(f"?access_token={secret}")):
        case = Case(Host(Order__place=answer))

        async def get() -> str:
            return secret

        case.tokens.get = get  # type: ignore[method-assign]
        outcome = await case.rest.place(approved())
        assert secret not in repr(outcome) + repr(case.rest) + caplog.text
