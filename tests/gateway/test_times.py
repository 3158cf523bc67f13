"""Timestamps in every spelling the gateway uses, to the nanosecond."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.domain.errors import RemoteProtocolError
from workbench.gateway.times import format_timestamp, parse_timestamp

# 2026-11-20T15:09:03Z is 1795187343 s: 20,777 days of 86,400 s since 1970, and 54,543 s.
SECOND = (20_777 * 86_400 + 54_543) * 1_000_000_000


@pytest.mark.parametrize(
    ("fraction", "nanoseconds"),
    [
        ("", 0),
        (".3", 300_000_000),
        (".32", 320_000_000),
        (".321", 321_000_000),
        (".3210", 321_000_000),
        (".32101", 321_010_000),
        (".117042", 117_042_000),
        (".1170421", 117_042_100),
        (".117042199", 117_042_199),
    ],
)
@pytest.mark.parametrize(("zone", "hours"), [("Z", 0), ("+00:00", 0), ("", 0), ("-06:00", 6), ("+0530", -5.5)])
def test_fractions_and_zones_are_read_exactly(fraction: str, nanoseconds: int, zone: str, hours: float) -> None:
    shift = int(hours * 3600) * 1_000_000_000
    assert parse_timestamp(f"2026-11-20T15:09:03{fraction}{zone}") == SECOND + nanoseconds + shift


@pytest.mark.parametrize(
    "text", ["", "soon", "2026-11-20", "2026-13-20T00:00:00Z", "2026-11-20T25:00:00Z", "2026-11-20T15:09:03+0", "٢026"]
)
def test_text_that_is_no_timestamp_is_the_servers_fault(text: str) -> None:
    with pytest.raises(RemoteProtocolError):
        parse_timestamp(text)


@given(st.integers(0, 4_000_000_000 * 10**9))
def test_what_is_written_reads_back(at: int) -> None:
    assert parse_timestamp(format_timestamp(at, digits=9)) == at
    assert parse_timestamp(format_timestamp(at)) == at // 100 * 100


@given(st.datetimes(datetime(1971, 1, 1), datetime(2090, 1, 1)))
def test_it_agrees_with_the_standard_library(moment: datetime) -> None:
    aware = moment.replace(tzinfo=UTC)
    assert parse_timestamp(aware.isoformat()) == round(aware.timestamp() * 1e6) * 1000
