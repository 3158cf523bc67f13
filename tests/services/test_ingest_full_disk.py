"""A disk that takes no market data: the alarm is one, and hides no other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.services.test_orphans import ingest
from workbench.domain.errors import StorageError
from workbench.storage.home import Home


@pytest.mark.statement(53)
async def test_a_full_disk_is_told_once_and_again_when_it_has_filled_up_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, full, told = ingest(Home(tmp_path)), [True], list[str]()

    async def flush(now: int | None = None) -> int:
        if full[0]:
            raise StorageError("no space left on the device")
        return 0

    def push(kind: str, body: dict[str, Any]) -> None:
        told.append(body["text"])

    monkeypatch.setattr(made.ingest, "flush", flush)
    monkeypatch.setattr(made.link, "push", push)
    await made._flush()
    told.clear()  # no desk was there to hear it
    made.link.connected = True
    for _ in range(300):  # five minutes
        await made._flush()
    assert len(told) == 1 and "no space left" in told[0], "the desk shows 200 alarms, the others must stay"
    full[0] = False
    await made._flush()
    full[0] = True
    await made._flush()
    assert len(told) == 2
