"""A runner whose sockets are slow to close finds that the desk has closed its account meanwhile, and closes nothing."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from workbench.services import runner_main
from workbench.services.runner_main import RunnerProcess
from workbench.storage.home import Home

LET_GO = 1_795_099_500_000_000_000
SECOND = 1_000_000_000


async def closed_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, result_at: int, result: str) -> bool:
    closings: list[Any] = []

    async def close(*args: Any, **options: Any) -> dict[str, Any]:
        closings.append(args)
        return {"result": "FLAT", "remaining": []}

    async def flush() -> None: ...

    monkeypatch.setattr(runner_main, "emergency_stop", close)
    monkeypatch.setattr(runner_main, "RestBroker", lambda *_, **__: None)
    monkeypatch.setattr(runner_main, "OTHERS_CLOSE_WITHIN_S", 0.1)
    monkeypatch.setattr(runner_main, "wall_ns", lambda: LET_GO + 2 * SECOND)  # its sockets took two seconds
    place = Home(tmp_path)
    place.account(1).mkdir(parents=True)
    (place.account(1) / "stop_result.json").write_text(json.dumps({"at": result_at, "result": result}))
    process = SimpleNamespace(
        account=1, home=place, _desk_was_there=True, _let_go_at=LET_GO, client=SimpleNamespace(rest=None),
        clock=SimpleNamespace(now=lambda: LET_GO),
        reporter=SimpleNamespace(channels=SimpleNamespace(put=lambda alert: None, flush=flush)),
    )  # fmt: skip
    await RunnerProcess.close_alone(process, "told to stop by the desk")  # type: ignore[arg-type]
    return bool(closings)


@pytest.mark.statement(36)
async def test_what_the_desk_has_closed_before_the_sockets_were_is_not_closed_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not await closed_again(tmp_path, monkeypatch, LET_GO + SECOND, "FLAT")


@pytest.mark.statement(36)
@pytest.mark.parametrize(("result_at", "result"), [(LET_GO - SECOND, "FLAT"), (LET_GO + SECOND, "NOT_FLAT")])
async def test_a_result_of_an_earlier_stop_or_one_that_is_not_flat_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, result_at: int, result: str
) -> None:
    assert await closed_again(tmp_path, monkeypatch, result_at, result)
