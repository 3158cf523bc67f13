"""Wire messages: the reference's samples read and written member for member, secrets never shown."""

from __future__ import annotations

import contextlib
import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.domain.errors import RemoteProtocolError
from workbench.gateway import messages as m


def test_all_21_operations_are_there() -> None:
    assert len(m.ENDPOINTS) == 21
    assert [e.path for e in m.ENDPOINTS.values() if e.method == "GET"] == ["/api/Status/ping"]
    assert {e.path for e in m.ENDPOINTS.values() if e.mutates} == {
        "/api/Order/place",
        "/api/Order/modify",
        "/api/Order/cancel",
        "/api/Position/closeContract",
        "/api/Position/partialCloseContract",
    }
    assert [e.path for e in m.ENDPOINTS.values() if e.history] == ["/api/History/retrieveBars"]


@pytest.mark.parametrize(
    ("endpoint", "code", "name", "is_ambiguous"),
    [
        (m.PLACE_ORDER, 1, "AccountNotFound", False),
        (m.PLACE_ORDER, 6, "OrderPending", True),
        (m.PLACE_ORDER, 7, "UnknownError", True),
        (m.MODIFY_ORDER, 4, "Pending", True),
        (m.CANCEL_ORDER, 5, "UnknownError", True),
        (m.CLOSE_POSITION, 5, "OrderRejected", False),
        (m.CLOSE_POSITION, 6, "OrderPending", True),
        (m.PARTIAL_CLOSE, 5, "InvalidCloseSize", False),
        (m.PARTIAL_CLOSE, 6, "OrderRejected", False),
        (m.PARTIAL_CLOSE, 7, "OrderPending", True),
        (m.ORDER_BY_ID, 1, "OrderNotFound", False),
        (m.RETRIEVE_BARS, 1, "ContractNotFound", False),
        (m.LOGIN_KEY, 9, "ApiSubscriptionNotFound", False),
        (m.ACCOUNT_SEARCH, 4, "Code4", False),
    ],
)
def test_one_integer_means_what_its_endpoint_says(
    endpoint: m.Endpoint, code: int, name: str, is_ambiguous: bool
) -> None:
    assert endpoint.code_name(code) == name
    assert (code in endpoint.ambiguous) is is_ambiguous


def test_the_place_sample_is_written_member_for_member() -> None:
    request = m.PlaceOrderRequest(
        account_id=901234,
        contract_id="CON.F.US.MES.Z26",
        type=1,
        side=0,
        size=2,
        limit_price=6710.25,
        custom_tag="run7-000041",
        stop_loss_bracket=m.BracketModel(ticks=-16, type=4),
        take_profit_bracket=m.BracketModel(ticks=24, type=1),
    )
    assert json.loads(m.encode(request)) == json.loads(
        '{"accountId":901234,"contractId":"CON.F.US.MES.Z26","type":1,"side":0,"size":2,"limitPrice":6710.25,'
        '"stopPrice":null,"trailPrice":null,"customTag":"run7-000041","stopLossBracket":{"ticks":-16,"type":4},'
        '"takeProfitBracket":{"ticks":24,"type":1}}'
    )


def test_the_order_sample_reads_with_its_scaled_decimals() -> None:
    order = m.decode(
        b'{"id":240001177,"accountId":901234,"contractId":"CON.F.US.MES.Z26","symbolId":"F.US.MES",'
        b'"creationTimestamp":"2026-11-20T15:07:12.481306+00:00","updateTimestamp":null,"status":1,"type":1,"side":0,'
        b'"size":2,"limitPrice":6710.250000000,"stopPrice":null,"fillVolume":0,"filledPrice":null,"new":[1]}',
        m.OrderModel,
    )
    assert (order.id, order.limit_price, order.fill_volume, order.update_timestamp) == (240001177, 6710.25, 0, None)


def test_money_is_exact_in_both_directions() -> None:
    account = m.decode(b'{"id":1,"name":"PRAC","balance":149820.5500,"canTrade":true}', m.AccountModel)
    assert account.balance == Decimal("149820.55")
    assert b'"balance":149820.5500' in m.encode(account)


def test_replies_spell_nulls_and_hub_payloads_leave_them_out() -> None:
    fields = {"id": 1, "account_id": 2, "contract_id": "C", "status": 6, "type": 2, "side": 0, "size": 2}
    assert b'"limitPrice":null' in m.encode(m.OrderModel(**fields))  # type: ignore[arg-type]
    sent = json.loads(m.encode(m.HubOrder(**fields, fill_volume=0)))  # type: ignore[arg-type]
    assert sent == {
        "id": 1,
        "accountId": 2,
        "contractId": "C",
        "status": 6,
        "type": 2,
        "side": 0,
        "size": 2,
        "fillVolume": 0,
    }


def test_a_hub_trade_keeps_zero_fees_and_not_voided() -> None:
    trade = m.HubTrade(
        id=1,
        account_id=2,
        contract_id="C",
        creation_timestamp="t",
        price=1.0,
        fees=Decimal(0),
        side=0,
        size=1,
        voided=False,
        order_id=3,
    )
    assert {"fees": 0, "voided": False}.items() <= json.loads(m.encode(trade)).items()


def test_no_repr_shows_a_secret() -> None:
    secret = "eyJhbGciOi.sEcReT.x"
    shown = [
        repr(m.LoginKeyRequest(user_name="someone", api_key=secret)),
        repr(m.LoginAppRequest(user_name="u", password=secret, device_id="d", app_id="a", verify_key=secret)),
        repr(m.LoginReply(token=secret)),
        repr(m.ValidateReply(new_token=secret)),
    ]
    assert not [text for text in shown if secret in text]


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"success":1}', b'"\xff"', b"[" * 100_000])
def test_unreadable_bodies_are_the_servers_fault(body: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        m.decode(body, m.AccountsReply)


@given(st.binary(max_size=100), st.sampled_from(sorted(m.ENDPOINTS)))
def test_fuzzed_bodies_raise_nothing_else(body: bytes, path: str) -> None:
    with contextlib.suppress(RemoteProtocolError):
        m.decode(body, m.ENDPOINTS[path].reply)
