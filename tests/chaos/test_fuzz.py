"""Inputs that no gateway should send: no crash, no change by what was not understood, all of it counted.

25,000 in the fast suite. The full one plays 40,000 others; with the 12,000 bodies of ``tests/api/test_fuzz.py`` that is
more than 50,000 in a run of a minute.
"""

from __future__ import annotations

import os
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.api.test_fuzz import HOW_MANY, LONG_RUN
from tests.chaos.fuzz import EVENTS, ORDER, PERSON, POSITION, TRADE, Target, throw
from workbench.domain.errors import RemoteProtocolError
from workbench.gateway.hubs import HubKind
from workbench.gateway.protocol import HubConnection
from workbench.gateway.translate import user_event

pytestmark = pytest.mark.statement(46)
EACH, FAST_SEEDS, SLOW_SEEDS = 5_000, range(5), range(5, 13)
THROWN = Target()
NUMBERS = st.integers() | st.floats() | st.sampled_from(["NaN", "-1", "1e400", "Infinity"])
JSON = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)


@pytest.mark.parametrize("seed", [*FAST_SEEDS, *(pytest.param(n, marks=pytest.mark.slow) for n in SLOW_SEEDS)])
def test_five_thousand_inputs(seed: int) -> None:
    counts = throw(EACH, seed)
    assert counts["inputs"] == EACH
    for what in ("broken frames", "faults", "refused replies", "failed readings", "decided", "of another account"):
        assert counts[what] > 0, f"the fuzz never gets there: {what}"


def test_the_full_suite_plays_fifty_thousand_inputs_and_the_fast_one_half_as_many() -> None:
    """Each test asserts that it has counted what it was to play; here is what that comes to."""
    fast, slow = HOW_MANY
    assert EACH * len(SLOW_SEEDS) + LONG_RUN >= 50_000
    assert slow.marks and slow.values == (int(os.environ.get("WORKBENCH_FUZZ_BODIES", str(LONG_RUN))),)
    assert EACH * len(FAST_SEEDS) + fast >= 25_000
    assert not set(FAST_SEEDS) & set(SLOW_SEEDS)


def test_a_message_is_either_an_event_or_a_counted_fault() -> None:
    target = Target()
    for broken in ({**TRADE, "price": 6000.13}, {**ORDER, "status": 77}, {**POSITION, "size": -2}, {"id": "x"}):
        name = {81000001: "Trade", 240000001: "Order", 5500001: "Position"}.get(broken["id"], "Order")
        target.client._take(HubKind.USER, f"GatewayUser{name}", [broken])
    assert target.client.faults == 4
    assert target.events == []


@pytest.mark.parametrize(
    ("what", "item"),
    [
        ("Account", {**PERSON, "balance": "NaN"}),
        ("Account", {**PERSON, "balance": 1e200}),
        ("Account", {**PERSON, "id": 10**30}),
        ("Trade", {**TRADE, "fees": "Infinity"}),
        ("Trade", {**TRADE, "profitAndLoss": "NaN"}),
        ("Trade", {**TRADE, "size": -3}),
        ("Trade", {**TRADE, "creationTimestamp": "9999-12-31T23:59:59Z"}),
        ("Order", {**ORDER, "size": 10**9}),
        ("Order", {**ORDER, "fillVolume": -1}),
        ("Order", {**ORDER, "parentOrderId": -(10**25)}),
        ("Position", {**POSITION, "averagePrice": "NaN"}),
        ("Position", {**POSITION, "accountId": 2**70}),
    ],
)
def test_numbers_that_no_account_has_are_refused_before_they_reach_a_sum_or_the_journal(what: str, item: Any) -> None:
    with pytest.raises(RemoteProtocolError):
        user_event(f"GatewayUser{what}", item, 0)


def test_whole_messages_still_pass() -> None:
    fill = user_event("GatewayUserTrade", TRADE, 0).fill  # type: ignore[attr-defined]
    assert (fill.qty, fill.ticks, fill.fees, fill.gross_pnl) == (1, 24001, Decimal("0.62"), Decimal("-12.5"))


@given(target=st.sampled_from([name for name, _ in EVENTS]) | st.text(max_size=30), arguments=JSON)
@settings(max_examples=300)
def test_any_json_at_all(target: str, arguments: Any) -> None:
    THROWN.fresh()
    thrown, before = THROWN, THROWN.look()
    thrown.client._take(HubKind.MARKET, target, arguments)
    if not thrown.events:
        assert thrown.look() == before
    thrown.decide()


@given(chunks=st.lists(st.binary(max_size=60), max_size=8))
@settings(max_examples=300)
def test_any_bytes_at_all_break_the_protocol_by_its_own_error(chunks: list[bytes]) -> None:
    hub = HubConnection(server=False)
    try:
        for chunk in chunks:
            hub.receive_data(chunk)
    except RemoteProtocolError:
        pass
