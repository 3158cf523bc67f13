"""Who may start a session where: the simulator asks nothing, a firm's account takes what is live with its values."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.services.promotion_child import NO_GATES, MadeUp
from tests.services.test_promotion import made
from tests.services.test_supervisor import FakeChannel
from workbench.domain.account import AccountKind
from workbench.domain.errors import InputError, StorageError
from workbench.services.desk_service import StartSession
from workbench.services.linking import make_link
from workbench.services.permission import require_permission
from workbench.services.promotion import promote, rollback
from workbench.services.settings import Profile, load_profile
from workbench.services.supervisor import Desk
from workbench.services.unseated import Unseated
from workbench.storage.home import Home
from workbench.storage.links import save_link
from workbench.storage.registry import Registry

ACCOUNT = 7
FIRM = (AccountKind.COMBINE, AccountKind.EXPRESS)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.delenv("WORKBENCH_DATABASE_URL", raising=False)
    (tmp_path / "gates.yaml").write_text(NO_GATES)
    return Home(tmp_path)


def go(place: Home, strategy: Any, *states: str, session: str | None = None) -> None:
    for state in states:
        known = {"reason": "test", "home": place, "session": session, "backtest": lambda *_, **__: MadeUp()}
        promote(strategy, to=state, **known)


@pytest.mark.parametrize("kind", FIRM)
def test_a_firms_account_takes_only_what_is_live_with_the_values_it_has_there(place: Home, kind: AccountKind) -> None:
    with pytest.raises(InputError, match="is draft: on this account only a live version trades"):
        require_permission(place, kind, made(8))
    go(place, made(8, length=9), "paper")
    with pytest.raises(InputError, match="is paper: on this account"):
        require_permission(place, kind, made(8, length=9))
    go(place, made(8, length=9), "live")
    assert require_permission(place, kind, made(8, length=9)) == ""
    with pytest.raises(InputError, match="is live with length=9; start it with these values"):
        require_permission(place, kind, made(8))


def test_after_a_rollback_the_old_version_may_start_again_and_the_new_may_not(place: Home) -> None:
    for strategy in (made(8, length=9), made(9)):
        go(place, strategy, "paper", "live", session="open")
    with pytest.raises(InputError, match="is paper"):
        require_permission(place, AccountKind.EXPRESS, made(8, length=9))
    rollback("open", home=place)
    assert require_permission(place, AccountKind.EXPRESS, made(8, length=9)) == ""
    with pytest.raises(InputError, match="is paper"):
        require_permission(place, AccountKind.EXPRESS, made(9))


def test_a_practice_account_takes_everything_and_says_what_was_never_promoted(place: Home) -> None:
    assert "is draft and starts on a practice account" in require_permission(place, AccountKind.PRACTICE, made(8))
    go(place, made(8), "paper")
    assert require_permission(place, AccountKind.PRACTICE, made(8)) == ""


def test_without_a_readable_database_practice_goes_on_and_a_firms_account_does_not(place: Home) -> None:
    (place.path / "workbench.db").write_bytes(b"broken " * 2000)
    assert "its state is not known" in require_permission(place, AccountKind.PRACTICE, made(8))
    with pytest.raises(StorageError, match="is damaged"):
        require_permission(place, AccountKind.EXPRESS, made(8))


def desk_on(place: Home, profile: Profile, name: str) -> tuple[Desk, FakeChannel]:
    level = None if name.startswith("PRAC") else Decimal(48_000)
    save_link(place, make_link(account=ACCOUNT, name=name, balance=Decimal(50_000), max_loss_level=level, by="me"))
    desk, channel = Desk(place, profile, "a-token-of-sixteen"), FakeChannel()
    desk.started("http://127.0.0.1:1")
    desk._runner_of(f"runner-{ACCOUNT}").attach(channel, 4711)  # type: ignore[arg-type]
    desk.ingest.channel = FakeChannel()  # type: ignore[assignment]
    return desk, channel


REAL = Profile(name="topstepx", rest_url="http://127.0.0.1:9", hub_url="http://127.0.0.1:9", username="u", api_key="k")


async def test_the_desk_asks_on_a_real_gateway_before_anything_is_started(place: Home) -> None:
    version = Registry(place).register(made(8)).version
    wish = StartSession(strategy=version, account=ACCOUNT, contract="MES")
    desk, channel = desk_on(place, REAL, "50KTC-V2-1-1")
    with pytest.raises(InputError, match="only a live version trades"):
        await desk.start_session(wish)
    assert channel.asked == []
    go(place, made(8), "paper", "live")
    assert (await desk.start_session(wish))["state"] == "running"
    await desk.rest.aclose()


async def test_the_desk_warns_on_practice_and_asks_nothing_on_the_simulator(place: Home) -> None:
    version = Registry(place).register(made(8)).version
    wish = StartSession(strategy=version, account=ACCOUNT, contract="MES")
    for profile, told in ((REAL, 1), (load_profile("sim", simulator_url="http://127.0.0.1:9"), 0)):
        desk, _ = desk_on(place, profile, "PRAC-V2-1-1")
        assert (await desk.start_session(wish))["state"] == "running"
        assert len([a for a in desk.alerts if "is draft and starts" in a["text"]]) == told
        await desk.rest.aclose()
    assert not (place.path / "workbench.db").exists(), "asking records nothing"


async def test_a_paused_session_goes_on_only_with_a_version_that_may_still_trade(place: Home) -> None:
    old, new = made(8), made(9)
    for strategy in (old, new):
        go(place, strategy, "paper", "live", session="open")
    desk, channel = desk_on(place, REAL, "50KTC-V2-1-1")
    row = {
        "session": "s1", "account": ACCOUNT, "contract": "CON.F.US.MES.Z26", "state": "paused", "parameters": {},
        "version": new.version, "strategy": "probe",
    }  # fmt: skip
    desk.runners[ACCOUNT].last["snapshot"] = {"sessions": [row]}
    rollback("open", home=place)
    for verb in ("resume", "start"):
        with pytest.raises(InputError, match="is paper: on this account only a live version trades"):
            await desk.command_session("s1", verb, "ann")
    assert channel.asked == []
    await desk.command_session("s1", "flatten", "ann")
    assert [verb for verb, *_ in channel.asked] == ["flatten"], "whoever leaves is asked nothing"
    row["version"] = old.version
    await desk.command_session("s1", "resume", "ann")
    assert [verb for verb, *_ in channel.asked] == ["flatten", "resume"]
    await desk.rest.aclose()


def a_row(version: str, state: str) -> dict[str, Any]:
    return {
        "session": f"{state}-1", "account": ACCOUNT, "contract": "CON.F.US.MES.Z26", "state": state, "parameters": {},
        "version": version, "strategy": "probe", "timeframe": "1m",
    }  # fmt: skip


async def test_who_holds_a_version_that_was_rolled_back_is_told_once_and_nobody_is_ended(place: Home) -> None:
    old, new = made(8), made(9)
    for strategy in (old, new):
        go(place, strategy, "paper", "live", session="open")
    desk, channel = desk_on(place, REAL, "50KTC-V2-1-1")
    rows = [a_row(new.version, state) for state in ("running", "paused", "ended")]
    desk.runners[ACCOUNT].last["snapshot"] = {"sessions": rows}
    watch = Unseated(desk)
    await watch.look()
    assert not desk.alerts, "it is live"
    rollback("open", home=place)
    for _ in range(3):
        await watch.look()
    told = sorted(alert["text"] for alert in desk.alerts)
    assert [text.split(" holds ")[0] for text in told] == ["session paused-1", "session running-1"]
    assert all("is paper: on this account only a live version trades" in text for text in told)
    assert "may trade again" in told[0] and "it trades on" in told[1]
    assert channel.asked == []
    await desk.rest.aclose()


async def test_a_version_that_is_unseated_anew_is_told_anew_and_a_broken_database_is_no_word_on_it(place: Home) -> None:
    old, new = made(8), made(9)
    for strategy in (old, new):
        go(place, strategy, "paper", "live", session="open")
    desk, _ = desk_on(place, REAL, "50KTC-V2-1-1")
    desk.runners[ACCOUNT].last["snapshot"] = {"sessions": [a_row(new.version, "running")]}
    watch, database = Unseated(desk), place.path / "workbench.db"
    rollback("open", home=place)
    await watch.look()
    kept = database.read_bytes()
    database.write_bytes(b"broken " * 2000)
    await watch.look()
    database.write_bytes(kept)
    await watch.look()
    assert len(desk.alerts) == 1
    go(place, new, "live", session="open")
    await watch.look()
    rollback("open", home=place)
    await watch.look()
    assert len(desk.alerts) == 2
    await desk.rest.aclose()


async def test_on_the_simulator_any_version_may_go_on(place: Home) -> None:
    desk, _ = desk_on(place, load_profile("sim", simulator_url="http://127.0.0.1:9"), "50KTC-V2-1-1")
    desk.runners[ACCOUNT].last["snapshot"] = {"sessions": [a_row(Registry(place).register(made(8)).version, "running")]}
    await Unseated(desk).look()
    assert not desk.alerts
    await desk.rest.aclose()
