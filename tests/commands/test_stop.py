"""`workbench stop` where something is missing: one clear message, exit code 1, and nothing that only looks stopped."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import ClassVar

import httpx
import pytest
import typer
from typer.testing import CliRunner

from tests.services.test_alerts import Receiver
from workbench.commands import stop as module
from workbench.desk import DeskRefused
from workbench.domain.errors import InputError, StorageError, UnknownName
from workbench.services import stop as engine
from workbench.services.linking import make_link
from workbench.simulator.config import settings
from workbench.simulator.server import serve
from workbench.storage.home import Home
from workbench.storage.latch import read_latch, set_latch
from workbench.storage.links import save_link


def workbench(place: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("WORKBENCH_")}
    environment |= {"WORKBENCH_HOME": str(place), "WORKBENCH_SIMULATOR_URL": "http://127.0.0.1:9"}
    command = [sys.executable, "-m", "workbench.cli", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)


def test_a_home_that_is_not_there_stops_nothing_and_says_so(tmp_path: Path) -> None:
    done = workbench(tmp_path / "nowhere", "stop")
    assert (done.returncode, done.stdout) == (1, "")
    assert "nothing was stopped: no account is known in" in done.stderr
    assert "--home" in done.stderr and "Traceback" not in done.stderr
    assert not (tmp_path / "nowhere").exists(), "and no folder is made by the way"


def test_nothing_to_clear_is_said(tmp_path: Path) -> None:
    done = workbench(tmp_path, "stop", "--clear", "--reason", "looked at it", "--json")
    assert done.returncode == 1
    assert "nothing is stopped" in json.loads(done.stdout)["error"]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.setenv("WORKBENCH_SIMULATOR_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("WORKBENCH_PROFILE", "sim")
    monkeypatch.setattr(engine, "GIVE_UP_S", 0.3)
    home = Home(tmp_path)
    save_link(home, make_link(account=7, name="PRAC-V2-1-1", balance=Decimal(1), by="me"))
    return home


def press(place: Home, account: int | None = None) -> dict[str, object]:
    return module.stop_now(str(place.path), None, reason="test", person="me", account=account)


@pytest.mark.parametrize(
    "desk", [None, "{", "{}", '{"url": "http://127.0.0.1:9", "token": "t"}', '{"url": "nonsense://", "token": "t"}']
)
def test_whatever_the_desk_file_says_it_latches_and_acts_itself(place: Home, desk: str | None) -> None:
    if desk is not None:
        place.desk.mkdir()
        (place.desk / "desk.json").write_text(desk)
    result = press(place)
    assert result["result"] == "NOT_FLAT", "nobody could read the broker"
    assert "cannot be read" in str(result["remaining"])
    assert read_latch(place, 7) is not None


def test_a_disk_that_takes_no_latch_does_not_keep_it_from_closing(
    place: Home, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(*args: object, **kw: object) -> None:
        raise StorageError("cannot write: No space left on device")

    monkeypatch.setattr("workbench.storage.latch.write_durably", full)
    result = press(place)
    assert result["latched"] is False
    assert "cannot be read" in str(result["remaining"]), "the broker was asked"
    assert "closing all the same" in capsys.readouterr().err


def test_a_disk_that_hangs_does_not_keep_it_from_closing(
    place: Home, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    comes_back = threading.Event()
    monkeypatch.setattr("workbench.storage.latch.write_durably", lambda *args, **kw: comes_back.wait(60.0))
    monkeypatch.setattr(engine, "DISK_WITHIN_S", 0.05)
    monkeypatch.setattr(module, "DISK_MAY_TAKE_S", 0.05)
    try:
        result = press(place)
        assert not comes_back.is_set() and result["latched"] is False
        assert "cannot be read" in str(result["remaining"]), "the broker was asked"
        assert "has not latched the stop within" in capsys.readouterr().err
    finally:
        comes_back.set()


def test_a_stop_of_everything_is_not_cleared_for_one_account_unseen(place: Home) -> None:
    set_latch(place, reason="all", by="me", at=1)
    assert engine.accounts_behind(place, 7) == [7]
    (place.account(8)).mkdir()
    (place.account(8) / "journal.wbj").write_bytes(b"")
    assert engine.accounts_behind(place, 7) == [7, 8]


@pytest.mark.parametrize("reason", ["", " ", "ok"])
def test_no_reason_no_clearing(place: Home, reason: str) -> None:
    with pytest.raises(InputError, match="say why the stop may be cleared"):
        module.clear_now(str(place.path), None, reason=reason, person="me", account=None)


def test_a_gateway_that_cannot_be_read_clears_nothing_and_is_named(place: Home) -> None:
    set_latch(place, reason="all", by="me", at=1)
    done = workbench(place.path, "stop", "--clear", "--reason", "looked at it")
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert "not cleared: http://127.0.0.1:9 cannot be read" in done.stderr
    assert read_latch(place) is not None


class TheDesk:
    """A desk that answers: it notes who asked, or refuses."""

    asked: ClassVar[list[object]] = []
    refuses = False

    def __init__(self, *, at: Home) -> None:
        self.home = at

    def clear_stop(self, reason: str, person: str, *, account: int | None) -> dict[str, object]:
        if self.refuses:
            raise DeskRefused("not cleared: +1 MESM25", "StopLatched", 409)
        self.asked.append((reason, person, account))
        return {"latched_by": "me", "latched_for": "all"}


def test_clearing_goes_through_the_desk_that_knows_its_gateway(place: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    set_latch(place, reason="all", by="me", at=1)
    monkeypatch.setattr("workbench.desk.Desk", TheDesk)
    module.clear_now(str(place.path), None, reason="looked at it", person="you", account=None)
    assert TheDesk.asked == [("looked at it", "you", None)]
    monkeypatch.setattr(TheDesk, "refuses", True)
    with pytest.raises(DeskRefused, match="not cleared"):
        module.clear_now(str(place.path), None, reason="looked at it", person="you", account=None)


def test_that_it_is_latched_is_said_at_once(place: Home, capsys: pytest.CaptureFixture[str]) -> None:
    press(place)
    assert capsys.readouterr().err.startswith("latched; cancelling, closing")


def test_an_account_that_is_not_known_here_is_named_before_anything_is_latched(place: Home) -> None:
    with pytest.raises(UnknownName, match="4242"):
        module.stop_now(str(place.path), None, reason="typo", person="me", account=4242)
    assert read_latch(place, 4242) is None


# --- a stop without a desk: what it loads, and whom it tells ----------------------------------------------------------

RUN_AND_LIST = """
import sys
from workbench.cli import main
sys.argv = ["workbench", "stop", "--json"]
try:
    main()
finally:
    print("loaded:", *sorted(sys.modules), file=sys.stderr)
"""
SLOW_TO_LOAD = {
    *("numpy", "pandas", "polars", "numba", "duckdb", "pyarrow", "pandas_market_calendars"),
    *("fastapi", "starlette", "uvicorn", "pydantic", "sqlalchemy", "alembic", "rich", "pygments", "apprise", "typer"),
}


@pytest.fixture
def phone() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.close()


async def stop_by_hand(place: Home, url: str, **more: str) -> tuple[int | None, str, str]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("WORKBENCH_")}
    environment |= {"WORKBENCH_HOME": str(place.path), "WORKBENCH_SIMULATOR_URL": url, **more}
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", RUN_AND_LIST, env=environment, stdout=pipe, stderr=pipe
    )
    out, err = await asyncio.wait_for(process.communicate(), 60)
    return process.returncode, out.decode(), err.decode()


async def hold_a_position(url: str) -> None:
    async with httpx.AsyncClient(base_url=url, trust_env=False) as web:
        reply = await web.post("/api/Auth/loginKey", json={"userName": "sim", "apiKey": "sim-key"})
        headers = {"authorization": f"Bearer {reply.json()['token']}"}
        order = {"accountId": 1001, "contractId": "CON.F.US.MES.Z26", "size": 1, "customTag": None}
        for body in ({"type": 2, "side": 0}, {"type": 1, "side": 0, "limitPrice": 100.0}):
            placed = (await web.post("/api/Order/place", json=order | body, headers=headers)).json()
            assert placed["success"], placed
        async with asyncio.timeout(10):
            while await held(web) != (1, 1):
                await asyncio.sleep(0.02)


async def held(web: httpx.AsyncClient) -> tuple[int, int]:
    accounts = (await web.get("/simulator/truth")).json()["accounts"]
    mine = next(a for a in accounts if a["id"] == 1001)
    return sum(o["status"] in (1, 6, 8) for o in mine["orders"]), len(mine["positions"])


async def test_a_stop_without_a_desk_loads_nothing_slow_and_tells_the_channels_how_it_ended(
    tmp_path: Path, phone: Receiver
) -> None:
    place = Home(tmp_path)
    save_link(place, make_link(account=1001, name="PRAC-V2-10001-1", balance=Decimal(150_000), by="me"))
    config = settings(start="2026-11-19T15:00:00Z", rate=1.0, roots=("MES",), prints_per_day=20_000)
    async with serve(config) as simulator:
        await hold_a_position(simulator.url)
        code, out, err = await stop_by_hand(place, simulator.url)
        async with httpx.AsyncClient(base_url=simulator.url, trust_env=False) as web:
            assert await held(web) == (0, 0)
        answer = json.loads(out)
        assert (code, answer["result"], answer["closed_by"]) == (0, "FLAT", "command line"), err
        loaded = set(err.split("loaded:")[1].split())
        assert loaded & SLOW_TO_LOAD == set()
        assert "workbench.services.sweep" in loaded, "it did close by itself"
        assert phone.got == []

        code, out, err = await stop_by_hand(place, simulator.url, WORKBENCH_ALERT_URLS=phone.url)
        assert (code, json.loads(out)["result"]) == (0, "FLAT"), err
        assert [m["title"] for m in phone.got] == ["Workbench command line: warning"]
        assert phone.got[0]["message"].endswith("without a desk: FLAT")


def test_the_words_mean_the_same_to_the_quick_way_and_to_the_help(monkeypatch: pytest.MonkeyPatch) -> None:
    got: list[dict[str, object]] = []
    monkeypatch.setattr(module, "run", lambda **options: got.append(options) or 0)
    app = typer.Typer()
    module.register(app)
    app.callback()(lambda: None)
    every = ["--reason", "why so", "--account=7", "--home", "/x", "--profile", "sim", "--json", "--clear"]
    for words in ([], every):
        assert module.typed(words) == 0
        assert CliRunner().invoke(app, ["stop", *words]).exit_code == 0
        assert got[-1] == got[-2]
    assert got[-1]["account"] == 7
    for odd in (["--help"], ["--account", "seven"], ["--reson", "x"], ["7"], ["--rea", "x"], ["--reason"]):
        assert module.typed(odd) is None, odd
    assert len(got) == 4


def test_wrong_words_are_explained_and_stop_nothing(place: Home) -> None:
    done = workbench(place.path, "stop", "--acount", "7")
    assert done.returncode == 2 and "--acount" in done.stderr
    assert read_latch(place, 7) is None
    assert "Why; kept with the latch" in workbench(place.path, "stop", "--help").stdout


class Typed:
    """The command with the closing replaced: what is shown and what is sent, in their order."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], **result: object) -> None:
        stopped = {"result": "FLAT", "latched": True, "remaining": [], "ms": 2500.0, "closed_by": "command line"}
        monkeypatch.setattr(module, "stop_now", lambda *_, **__: stopped | result)
        monkeypatch.setenv("WORKBENCH_ALERT_URLS", "json://127.0.0.1:9/a-secret-of-the-channel")
        self._capsys = capsys

    def run(self) -> tuple[int | None, str, str]:
        code = module.typed(["--reason", "it runs away"])
        return code, *self._capsys.readouterr()


def test_the_alert_follows_the_answer_and_says_what_remains(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    sent: list[tuple[str, str, str]] = []

    def send_now(who: str, level: str, text: str) -> bool:
        sent.append((who, level, text))
        sys.stdout.write("(sent)")
        return True

    monkeypatch.setattr("workbench.services.alerts.send_now", send_now)
    code, out, err = Typed(monkeypatch, capsys, result="NOT_FLAT", remaining=["+1 MESZ6"]).run()
    assert code == 1 and err == ""
    assert out.index("remains: +1 MESZ6") < out.index("(sent)"), "nobody waits for a channel to see the answer"
    [(_, level, text)] = sent
    assert level == "critical" and "it runs away" in text and text.endswith("NOT_FLAT +1 MESZ6")


def test_a_stop_that_the_desk_has_done_is_told_by_the_desk_alone(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("workbench.services.alerts.send_now", lambda *_: pytest.fail("told twice"))
    assert Typed(monkeypatch, capsys, closed_by="desk").run()[0] == 0


@pytest.mark.parametrize("outcome", [False, RuntimeError("json://x/a-secret-of-the-channel")])
def test_an_alert_that_cannot_be_sent_is_said_and_changes_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], outcome: bool | Exception
) -> None:
    def send_now(*_: object) -> bool:
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    monkeypatch.setattr("workbench.services.alerts.send_now", send_now)
    code, out, err = Typed(monkeypatch, capsys).run()
    assert (code, out.startswith("FLAT after 2500 ms")) == (0, True)
    assert "the alert was not sent" in err and "WORKBENCH_ALERT_URLS" in err
    assert "a-secret-of-the-channel" not in out + err
