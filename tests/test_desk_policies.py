"""Policies of a session through the client and the command line."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from tests.fakes.desk import FakeDesk
from tests.fakes.serve import serving
from workbench.api.app import build_app
from workbench.commands import session as command
from workbench.desk import Desk
from workbench.domain.errors import InputError
from workbench.storage.home import Home

TOKEN = "the-full-token-of-this-test"
CHOSEN: dict[str, Any] = {"start_policy": "flatten", "disconnect_policy": "pause", "disconnect_after_s": 30}


@pytest.fixture
def fake() -> FakeDesk:
    return FakeDesk()


@pytest.fixture
def desk(fake: FakeDesk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    with serving(build_app(fake, token=TOKEN)) as url:
        made = Desk(url, TOKEN, at=Home(tmp_path))
        monkeypatch.setattr(command, "_desk", lambda: made)
        monkeypatch.setenv("COLUMNS", "200")
        yield made


def test_the_policies_of_a_start_are_no_parameters_of_the_strategy(desk: Desk, fake: FakeDesk) -> None:
    session = desk.start("sma_cross", fast=10, **CHOSEN)
    asked = fake.calls[0][1]
    assert asked.parameters == {"fast": 10}
    assert (asked.start_policy, asked.disconnect_policy, asked.disconnect_after_s) == ("flatten", "pause", 30.0)
    assert (session.start_policy, session.disconnect_policy, session.disconnect_after_s) == ("flatten", "pause", 30.0)
    assert "begins: flatten, stream lost: pause after 30 s" in repr(session)
    assert "begins: flatten, stream lost: pause after 30 s" in session._repr_html_()


def test_a_start_without_policies_adopts_and_keeps(desk: Desk, fake: FakeDesk) -> None:
    desk.start("sma_cross")
    asked = fake.calls[0][1]
    assert (asked.start_policy, asked.disconnect_policy, asked.disconnect_after_s) == ("adopt", "keep", 60.0)


def test_a_policy_that_nobody_knows_is_refused_with_the_choices(desk: Desk, fake: FakeDesk) -> None:
    with pytest.raises(InputError, match=r"start_policy.*adopt.*wait_flat.*flatten"):
        desk.start("sma_cross", start_policy="ignore")
    assert fake.calls == []


def test_a_session_says_what_it_waits_for(desk: Desk, fake: FakeDesk) -> None:
    fake.state, fake.reason = "warming", "warming up: 3 of 31 bars"
    session = desk.session("sma-cross-1")
    assert session.reason == "warming up: 3 of 31 bars"
    assert "warming (warming up: 3 of 31 bars)" in repr(session)
    assert "◔ warming (warming up: 3 of 31 bars)" in session._repr_html_()


def test_the_command_line_starts_with_policies_and_shows_them(desk: Desk, fake: FakeDesk) -> None:
    words = ["start", "sma_cross", "--start-policy", "wait_flat", "--disconnect-policy", "flatten"]
    done = CliRunner().invoke(command.app, [*words, "--disconnect-after", "45", "-p", "fast=10"])
    assert done.exit_code == 0, done.output
    asked = fake.calls[0][1]
    assert (asked.start_policy, asked.disconnect_policy, asked.disconnect_after_s) == ("wait_flat", "flatten", 45.0)
    assert asked.parameters == {"fast": 10}
    assert "begins: wait_flat, stream lost: flatten after 45 s" in done.output
    shown = CliRunner().invoke(command.app, ["show", "sma-cross-1"]).output
    rows = dict(line.split(maxsplit=1) for line in shown.splitlines())
    assert (rows["start_policy"], rows["disconnect_policy"], rows["disconnect_after_s"]) == (
        "wait_flat", "flatten", "45.0",
    )  # fmt: skip


def test_the_list_says_below_the_table_what_a_session_waits_for(desk: Desk, fake: FakeDesk) -> None:
    fake.state, fake.reason = "waiting", "waits until the position that was there before it is gone"
    lines = CliRunner().invoke(command.app, ["list"]).output.splitlines()
    said = "sma-cross-1: waiting (waits until the position that was there before it is gone)"
    assert lines[-1] == f"{said}; begins: adopt, stream lost: keep"
    fake.state = "ended"
    assert "sma-cross-1:" not in CliRunner().invoke(command.app, ["list"]).output


@pytest.mark.parametrize(
    "words",
    [["--start-policy", "ignore"], ["--disconnect-policy", "stop"], ["--disconnect-after", "0"]],
)
def test_the_command_line_refuses_what_nobody_knows(desk: Desk, fake: FakeDesk, words: list[str]) -> None:
    assert CliRunner().invoke(command.app, ["start", "sma_cross", *words]).exit_code == 2
    assert fake.calls == []


def test_a_policy_written_as_a_parameter_is_pointed_to_its_option(desk: Desk, fake: FakeDesk) -> None:
    done = CliRunner().invoke(command.app, ["start", "sma_cross", "-p", "start_policy=adopt"])
    assert isinstance(done.exception, InputError) and "start_policy is no parameter" in str(done.exception)
    assert fake.calls == []


def test_the_help_says_what_each_policy_does() -> None:
    told = " ".join(CliRunner().invoke(command.app, ["start", "--help"], env={"COLUMNS": "200"}).output.split())
    for words in ("adopt takes it over", "wait_flat enters nothing", "flatten closes it first", "keep goes on"):
        assert words in told.replace("│ ", "")
