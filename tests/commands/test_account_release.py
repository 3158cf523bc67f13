"""`workbench account release`: what it says, and what it passes on."""

from __future__ import annotations

import json
from typing import Any

import pytest
from typer.testing import CliRunner

from tests.fakes.desk import FakeDesk
from tests.fakes.serve import serving
from workbench.api.app import build_app
from workbench.commands import account as module
from workbench.desk import Desk

TOKEN = "the-full-token-of-this-test"
JUMP = "the clock has jumped"


class Fake:
    def __init__(self, **answer: Any) -> None:
        self.answer = {"account": 7, "reason": "", "released": [], "halted": [], **answer}
        self.asked: list[tuple[int, dict[str, Any]]] = []

    def release(self, account: int, **fields: Any) -> dict[str, Any]:
        self.asked.append((account, fields))
        return self.answer


def said(monkeypatch: pytest.MonkeyPatch, fake: Fake, *more: str) -> tuple[int, str]:
    monkeypatch.setattr(module, "_desk", lambda: fake)
    done = CliRunner().invoke(module.app, ["release", "7", *more])
    return done.exit_code, done.output


def test_it_says_what_was_released_and_that_entries_are_open(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = Fake(accepted=True, released=[JUMP])
    code, text = said(monkeypatch, fake, "--reason", "the laptop slept", "--person", "ann")
    assert (code, text) == (0, f"released: {JUMP}\nentries are open again\n")
    assert fake.asked == [(7, {"reason": "the laptop slept", "by": "ann"})]


def test_it_says_what_still_halts(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = Fake(accepted=True, released=[JUMP], halted=["user hub is down"])
    assert said(monkeypatch, fake, "--reason", "looked")[1].endswith("still halted: user hub is down\n")


def test_a_refusal_is_said_in_words_and_is_exit_code_1(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = Fake(accepted=False, reason="account 7 is not halted")
    assert said(monkeypatch, fake, "--reason", "looked") == (1, "nothing was released: account 7 is not halted\n")
    code, text = said(monkeypatch, fake, "--reason", "looked", "--json")
    assert code == 1 and json.loads(text)["reason"] == "account 7 is not halted"


@pytest.mark.parametrize("reason", [(), ("--reason", "ab"), ("--reason", "     ")])
def test_without_a_reason_nobody_is_asked(monkeypatch: pytest.MonkeyPatch, reason: tuple[str, ...]) -> None:
    fake = Fake(accepted=True)
    code, _ = said(monkeypatch, fake, *reason)
    assert code != 0 and fake.asked == []


def test_the_client_of_the_desk_carries_person_reason_and_key() -> None:
    fake = FakeDesk()
    fake.halted = [JUMP]
    with serving(build_app(fake, token=TOKEN)) as url:
        told = Desk(url, TOKEN).release(1001, reason="the laptop slept", by="ann", request="mine")
        me = Desk(url, TOKEN).release(1001, reason="again")
    assert told["accepted"] and told["released"] == [JUMP] and not me["accepted"]
    first, second = (call[2] for call in fake.calls)
    assert (first.request, first.person, first.reason) == ("mine", "ann", "the laptop slept")
    assert second.person and len(second.request) == 16
