"""The rule builder without a browser: the form and the text follow each other, and only the newest answer counts."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from workbench.apps import rules_form as forms
from workbench.apps import rules_rows as rows
from workbench.apps.feed import DeskFeed, DeskRefusedPage
from workbench.apps.rules import RulesPage

Json = dict[str, Any]
GOOD: Json = {
    "ok": True, "error": None, "findings": [], "name": "my_idea", "version": "0123456789ab", "timeframe": "1m",
    "warmup": 30,
}  # fmt: skip
BAD: Json = {**GOOD, "ok": False, "findings": [{"level": "error", "code": "x", "text": "no such word", "line": 5}]}


class Desk(DeskFeed):
    """Checks slowly what is long, so that answers can overtake each other."""

    def __init__(self) -> None:
        super().__init__(lambda: ("http://127.0.0.1:1", "x"))
        self.asked: list[Any] = []
        self.dead = False
        self.answers: Json = {}

    async def ask(self, method: str, path: str, **options: Any) -> Any:
        self.asked.append((method, path, options.get("json")))
        if self.dead:
            raise DeskRefusedPage("the desk does not answer")
        if path in self.answers:
            return self.answers[path]
        if path == "/api/versions":
            return [{"name": "known", "kind": "yaml"}]
        if path == "/api/strategies/check":
            slow = "slow" in options["json"]["source"]
            await asyncio.sleep(0.05 if slow else 0)
            return BAD if slow else GOOD
        return {"name": "my_idea", "version": "0123456789ab", "state": "draft", "source": "name: known\n"}


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> Any:
    page, sent, told = RulesPage(Desk()), [], []
    monkeypatch.setattr(page.editor, "_send_msg", sent.append)
    monkeypatch.setattr(page, "tell", lambda *words: told.append(words))
    return SimpleNamespace(page=page, sent=sent, told=told)


def event(**data: Any) -> Any:
    return SimpleNamespace(data=data)


async def test_a_change_of_the_form_is_written_and_a_change_of_the_text_is_read(made: Any) -> None:
    form = forms.empty()
    form["stop"]["amount"] = "3"
    await made.page._edited(event(act="form", form=form, turn=3))
    assert "stop: {atr: 3, length: 14}" in made.sent[0]["text"] and "form" not in made.sent[0]
    assert made.sent[0]["turn"] == 3, "the browser knows which of its changes is answered"
    await made.page._edited(event(act="text", text=made.sent[0]["text"].replace("atr: 3", "atr: 5")))
    assert made.sent[2]["form"]["stop"]["amount"] == "5" and made.sent[2]["unread"] == ""
    assert made.sent[-1]["findings"] == [["✓ a strategy: version 01234567, needs 30 bars of history", "ok"]]


async def test_a_text_that_cannot_be_read_is_kept_and_said(made: Any) -> None:
    await made.page._edited(event(act="text", text="name: ["))
    assert made.sent[0]["text"] == "name: [" == made.page.text
    assert "not YAML" in made.sent[0]["unread"] and "form" not in made.sent[0]


async def test_an_answer_about_an_older_text_does_not_cover_the_newest(made: Any) -> None:
    older = asyncio.ensure_future(made.page._edited(event(act="text", text="name: slow\n")))
    await asyncio.sleep(0)
    await made.page._edited(event(act="text", text="name: fast\n"))
    await older
    assert [m["findings"][0][1] for m in made.sent if "findings" in m] == ["ok"]


async def test_a_dead_desk_is_told_and_the_text_is_not_called_good(made: Any) -> None:
    made.page.feed.dead = True
    await made.page._edited(event(act="text", text="name: fast\n"))
    assert made.sent[-1]["findings"] == [["▲ not checked: the desk does not answer", "warn"]]


async def test_saving_needs_a_name_and_makes_a_new_version_of_what_is_there(made: Any) -> None:
    page = made.page
    await page._edited(event(act="text", text="name: fast\n"))
    await page._save(None)
    assert made.told[-1][1] == "alarm" and not [a for a in page.feed.asked if a[1] == "/api/strategies"]
    page.person.value = "ann"
    await page._save(None)
    assert ("POST", "/api/strategies", {"source": "name: fast\n", "person": "ann"}) in page.feed.asked
    page.feed.answers["/api/versions"] = [{"name": "my_idea", "kind": "yaml"}]
    page._checked = {}  # what was typed last has not been answered yet
    await page._save(None)
    assert page.feed.asked[-2][:2] == ("PUT", "/api/strategies/my_idea")
    assert made.told[-1] == ("saved: my_idea@01234567 is a draft; its gates are on Promote", "ok")


BARS = [{"time": 1_796_126_400 + 60 * n, "open": 1.0, "high": 2.0, "low": 0.5, "close": 1.5} for n in range(3)]
PART: Json = {"text": "close > 1", "value": None, "holds": True, "is_condition": True, "note": "", "parts": []}
TOLD: Json = {"bar": "2026-12-01 06:00", "rules": {"entry.long": PART}, "verdicts": {}, "hurdles": {}}
STORED = "CON.F.US.MES.Z26"


async def test_a_contract_that_is_stored_can_be_explained_on_without_a_session(made: Any) -> None:
    page = made.page
    page._contracts = {STORED, "CON.F.US.MNQ.Z26"}
    page.push()
    assert page.contract.options == [STORED, "CON.F.US.MNQ.Z26"] and page.contract.value == STORED
    page.feed.snapshot = {"data": [{"contract": "CON.F.US.MNQ.Z26"}]}
    page.push()
    assert page.contract.options[0] == "CON.F.US.MNQ.Z26" and page.contract.value == STORED, "what was chosen stays"


async def test_the_chosen_bar_is_explained_anew_when_the_text_changes(
    made: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    page, drawn, told = made.page, [], []  # type: ignore[var-annotated]
    monkeypatch.setattr(page.picker, "_send_msg", drawn.append)
    monkeypatch.setattr(page.told, "_send_msg", told.append)
    page.feed.answers = {"/api/bars": BARS, "/api/strategies/explain": TOLD}
    await page._edited(event(act="text", text="name: fast\n"))
    page._contracts = {STORED}
    page.push()
    await page._fetch_bars()
    first = drawn[-1]["bars"][0]["time"]
    assert len(drawn[-1]["bars"]) == 2, "the last one is still forming"
    await page._picked(event(act="bar", time=first))
    await page._edited(event(act="text", text="name: faster\n"))
    explained = [body for _, path, body in page.feed.asked if path.endswith("/explain")]
    assert [(b["source"], b["at"]) for b in explained] == [(f"name: fast{er}\n", BARS[0]["time"]) for er in ("", "er")]
    page._checked = {**GOOD, "timeframe": "5m"}
    await page._fetch_bars()
    assert told[-1]["rows"] == [] and "choose a bar" in told[-1]["empty"], "that bar is not on this chart"


async def test_bars_that_could_not_be_had_are_drawn_when_they_can(made: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    page, drawn = made.page, []  # type: ignore[var-annotated]
    monkeypatch.setattr(page.picker, "_send_msg", drawn.append)
    page.feed.answers = {"/api/bars": BARS}
    await page._edited(event(act="text", text="name: fast\n"))
    page._contracts = {STORED}
    page.push()
    await page._fetch_bars()
    page.feed.dead = True
    await page._fetch_bars()
    page.feed.dead = False
    await page._fetch_bars()
    assert [len(message["bars"]) for message in drawn] == [2, 0, 2]
    assert drawn[1]["title"] == "no bars: the desk does not answer"


async def test_a_page_waits_for_a_desk_that_opens_its_database_or_compiles(monkeypatch: pytest.MonkeyPatch) -> None:
    feed, waits = DeskFeed(lambda: ("http://127.0.0.1:1", "x")), []  # type: ignore[var-annotated]

    async def request(method: str, url: str, **options: Any) -> httpx.Response:
        waits.append(options["timeout"])
        return httpx.Response(200, json=[])

    monkeypatch.setattr(feed._http, "request", request)
    await feed.ask("GET", "/api/versions")
    await feed.ask("GET", "/api/monitor", timeout=5.0)
    assert waits == [30.0, 5.0]


def test_findings_have_words_shapes_and_lines() -> None:
    assert rows.findings(BAD) == [("✖ error line 5: no such word", "alarm")]
    warned = {**GOOD, "findings": [{"level": "warning", "code": "x", "text": "never binds", "line": 0}]}
    assert rows.findings(warned)[0][0] == "▲ warning: never binds"


def test_an_explanation_shows_every_part_with_truth_or_value() -> None:
    number = {"text": "close", "value": 6842.25, "holds": None, "is_condition": False, "note": "", "parts": []}
    part = {"text": "close > 1", "value": None, "holds": True, "is_condition": True, "note": "n", "parts": [number]}
    told = {"rules": {"entry.long": part}, "verdicts": {"entry.long": "true: it enters"},
            "hurdles": {"entry.long": [{"name": "flat_by", "passes": None, "text": "not known"}]}}  # fmt: skip
    head, whole, inner, hurdle = [row.cells for row in rows.explain_rows(told)]
    assert head[:2] == [("✓ true", "ok"), "enter long: true: it enters"]
    assert whole == [("✓ true", "ok"), "┊  close > 1", "", "n"]
    assert inner == [("", ""), "┊  ┊  close", "6,842.25", ""]
    assert hurdle == [("? unknown", "dim"), "· flat by", "", "not known"]
