"""A damaged note of what was fetched: its line is asked for anew and says so, and all is recorded all the same."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.services.test_ingest import Market, ingest_at
from tests.storage.market_frames import CONTRACT, MINUTE, MONDAY
from workbench.domain.errors import StorageError


@pytest.mark.statement(45)
async def test_a_damaged_note_of_one_line_ends_no_recording(tmp_path: Path) -> None:
    ingest, market = ingest_at(tmp_path), Market(5_000)
    path = ingest.fetched._path(CONTRACT, "5m")
    path.parent.mkdir(parents=True)
    path.write_text('{"spans": [[1')
    ingest.stream_started(MONDAY + MINUTE, exact=True)  # in the middle of a bar of five minutes
    assert all(line.whole_from is not None for line in ingest._chosen(CONTRACT))
    end = MONDAY + 4 * MINUTE
    for at in range(MONDAY + MINUTE, end, MINUTE):
        ingest.on_prints(CONTRACT, market.between(at, at + MINUTE), at)
        ingest.advance(at + MINUTE)
    await ingest.flush()
    assert ingest.store.read(CONTRACT, "1m").height == 3
    with pytest.raises(StorageError, match=r"5m\.json"):  # the desk is told, and what to do
        await ingest.seam(market.history, MONDAY + 30 * MINUTE)
