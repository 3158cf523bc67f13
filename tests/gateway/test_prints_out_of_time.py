"""Prints with a stamp that no print can have, such as the zero of a clock: left out, and told of."""

from __future__ import annotations

import pytest

from workbench.gateway.market_data import trades_seen

CONTRACT = "CON.F.US.MES.Z26"


def row(stamp: str) -> dict[str, object]:
    return {"symbolId": "F.US.MES", "price": 6700.25, "timestamp": stamp, "type": 0, "volume": 1}


@pytest.mark.statement(46)
@pytest.mark.parametrize(
    "stamp",
    [
        "0001-01-01T00:00:00",  # what a .NET program says for no time at all
        "0001-01-01T00:00:00+00:00",
        "1970-01-01T00:00:00Z",
        "9999-12-31T23:59:59.9999999Z",
    ],
)
def test_a_print_without_a_time_is_left_out_and_the_others_come(stamp: str) -> None:
    seen, faults = trades_seen([CONTRACT, [row("2026-11-19T15:00:00Z"), row(stamp), row("2026-11-19T15:00:01Z")]])
    assert [each.ts for each in seen] == [1_795_100_400_000_000_000, 1_795_100_401_000_000_000]
    assert len(faults) == 1 and stamp[:10] in faults[0]
