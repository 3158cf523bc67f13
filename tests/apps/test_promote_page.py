"""The promote page: differences in words and signs, gates before and after they are asked, and who must say why."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from workbench.apps import promote_rows as rows
from workbench.apps.feed import DeskFeed
from workbench.apps.promote import PromotePage
from workbench.domain.errors import InputError

Json = dict[str, Any]
OLD: Json = {
    "version": "a" * 16, "name": "sma", "state": "paper", "live_in": [], "parent": None, "kind": "yaml",
    "at": 10**18, "person": "ann",
}  # fmt: skip
NEW: Json = {**OLD, "version": "b" * 16, "state": "draft", "parent": "a" * 16}
GATES = [
    {"into": "tested", "gate": "min_trades", "wanted": "30"},
    {"into": "live", "gate": "costs", "wanted": "charged"},
]
PASSED: Json = {"into": "tested", "gate": "min_trades", "passed": True, "value": 31, "bound": 30, "text": "31 trades"}
FAILED: Json = {**PASSED, "passed": False, "value": 7, "text": "7 trades, at least 30 are asked"}
DETAILS: Json = {
    **NEW,
    "lineage": [OLD, NEW],
    "ways": ["tested", "retired"],
    "attempts": [],
    "evidence": [],
    "gates": GATES,
}
PROMOTED: Json = {
    "name": "sma", "version": "b" * 16, "wanted": "tested", "was": "draft", "now": "draft", "session": "",
    "passed": False, "replaced": None, "reasons": [FAILED["text"]], "verdicts": [FAILED],
}  # fmt: skip


def test_a_change_is_told_by_sign_and_word_and_what_was_not_there_is_a_dash() -> None:
    kinds = [("added", "none", "3"), ("removed", "15:05", "none"), ("changed", "5", "8")]
    told = {"changes": [{"what": k, "kind": k, "before": b, "after": a} for k, b, a in kinds]}
    assert [(r.cells[0][0], r.cells[2], r.cells[3]) for r in rows.change_rows(told)] == [  # type: ignore[index]
        ("+ added", "–", "3"),
        ("− removed", "15:05", "–"),
        ("± changed", "5", "8"),
    ]


def test_gates_that_nobody_has_asked_are_shown_as_not_judged() -> None:
    (row,) = rows.gate_rows(DETAILS, "tested", None)
    assert row.cells[:5] == [("? not judged", "dim"), "tested", "min_trades", "30", None], "the way ends at tested"
    passed, failed = rows.gate_rows(DETAILS, "tested", [PASSED, FAILED])
    assert (passed.cells[0], passed.cells[4]) == (("✓ passed", "ok"), "31")
    assert (failed.cells[0], failed.cells[5]) == (("✖ not passed", "alarm"), "7 trades, at least 30 are asked")


def test_a_refused_attempt_says_why_once() -> None:
    attempt = {"at": 10**18, "wanted": "tested", "session": "", "person": "ann", "reason": "x", "accepted": False}
    (row,) = rows.attempt_rows({"attempts": [{**attempt, "verdicts": [PASSED, FAILED, FAILED]}]})
    assert row.cells[2] == ("✖ refused", "alarm") and row.cells[5] == "7 trades, at least 30 are asked"


def test_a_session_without_an_earlier_version_cannot_go_back() -> None:
    never, once = rows.seat_rows(
        [
            {"session": "s", "version": "b" * 16, "before": []},
            {"session": "t", "version": "b" * 16, "before": ["c" * 16]},
        ]
    )
    assert never.acts[0].why_not and not once.acts[0].why_not and once.acts[0].sure == "Make cccccccc live again?"


@pytest.mark.parametrize(("person", "reason"), [("", "good reason"), ("ann", "  "), ("ann", "x")])
def test_nobody_promotes_without_a_name_and_a_reason(person: str, reason: str) -> None:
    with pytest.raises(InputError, match="kept with the promotion for good"):
        rows.words_of(person, reason)


class Asked(DeskFeed):
    """Answers from a table and keeps what was asked."""

    def __init__(self, answers: Json) -> None:
        super().__init__(lambda: ("http://127.0.0.1:1", "x"))
        self.answers, self.asked = answers, []  # type: ignore[var-annotated]

    async def ask(self, method: str, path: str, **options: Any) -> Any:
        self.asked.append((method, path, options.get("json")))
        return self.answers[path]


async def test_a_refused_promotion_leaves_its_reasons_at_the_gates(monkeypatch: pytest.MonkeyPatch) -> None:
    new = f"/api/versions/{NEW['version']}"
    difference = {"old": OLD, "new": NEW, "changes": []}
    answers = {
        "/api/versions": [NEW, OLD], "/api/seats": [], new: DETAILS, f"{new}/promote": PROMOTED,
        f"{new}/difference/{OLD['version']}": difference,
    }  # fmt: skip
    feed = Asked(answers)
    page, sent, told = PromotePage(feed), [], []
    monkeypatch.setattr(page.gates, "_send_msg", sent.append)
    monkeypatch.setattr(page, "tell", lambda *words: told.append(words))
    page.body()
    await page._look()
    assert page.way.value == "tested" and sent[-1]["rows"][0]["cells"][0] == ["? not judged", "dim"]
    await page._promote(None)
    assert "kept with the promotion" in told[-1][0], "no name, no reason: nothing is asked"
    page.person.value, page.reason.value = "ann", "it holds"
    await page._promote(None)
    assert feed.asked[-5][1] == f"{new}/promote"
    assert feed.asked[-5][2] == {"to": "tested", "person": "ann", "reason": "it holds"}
    assert sent[-1]["rows"][0]["cells"][0] == ["✖ not passed", "alarm"]
    assert told[-1] == ("sma@bbbbbbbb stays draft; tested is refused: 7 trades, at least 30 are asked", "alarm")
    assert page.reason.value == "it holds", "what was typed is not lost"


async def test_what_another_person_does_comes_by_itself_and_leaves_a_choice_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    new = f"/api/versions/{NEW['version']}"
    old = f"/api/versions/{OLD['version']}"
    alone = {**OLD, "lineage": [OLD], "ways": ["live", "retired"], "attempts": [], "evidence": [], "gates": GATES}
    feed = Asked({"/api/versions": [OLD], "/api/seats": [], old: alone, new: DETAILS})
    page, sent = PromotePage(feed), []  # type: ignore[var-annotated]
    monkeypatch.setattr(page.versions, "_send_msg", sent.append)
    page.body()
    await page._look()
    page.way.value = "retired"
    feed.answers["/api/versions"] = [NEW, OLD]
    await page._look()
    assert [row["id"] for row in sent[-1]["rows"]] == [NEW["version"], OLD["version"]]
    assert sent[-1]["picked"] == OLD["version"] and page.way.value == "retired"


async def test_a_way_that_was_chosen_while_the_version_was_fetched_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    new = f"/api/versions/{NEW['version']}"
    feed = Asked({"/api/versions": [NEW], "/api/seats": [], new: {**DETAILS, "lineage": [NEW]}})
    page = PromotePage(feed)
    page.body()
    await page._look()
    answers = feed.ask

    async def slow(method: str, path: str, **options: Any) -> Any:
        page.way.value = "retired"
        return await answers(method, path, **options)

    monkeypatch.setattr(feed, "ask", slow)
    await page._version("pick", NEW["version"], {})
    assert page.way.value == "retired"


async def test_a_second_press_is_no_second_promotion(monkeypatch: pytest.MonkeyPatch) -> None:
    new = f"/api/versions/{NEW['version']}"
    feed = Asked({"/api/versions": [NEW], "/api/seats": [], new: {**DETAILS, "lineage": [NEW]}})
    page, told, answered = PromotePage(feed), [], asyncio.Event()  # type: ignore[var-annotated]
    monkeypatch.setattr(page, "tell", lambda *words: told.append(words))
    page.body()
    await page._look()
    page.person.value, page.reason.value = "ann", "it holds"

    async def slow(method: str, path: str, **options: Any) -> Any:
        if path.endswith("/promote"):
            feed.asked.append((method, path, options.get("json")))
            await answered.wait()
            return PROMOTED
        return feed.answers[path]

    monkeypatch.setattr(feed, "ask", slow)
    first = asyncio.ensure_future(page._promote(None))
    while not feed.asked[-1][1].endswith("/promote"):
        await asyncio.sleep(0)
    await page._promote(None)
    assert told[-1] == ("the gates are asked, then it is promoted; the answer is shown here", "warn")
    answered.set()
    await first
    assert sum(path.endswith("/promote") for _, path, _ in feed.asked) == 1 and told[-1][1] == "alarm"


async def test_the_version_that_was_shown_goes_with_the_wish_to_roll_back(monkeypatch: pytest.MonkeyPatch) -> None:
    (row,) = rows.seat_rows([{"session": "s", "version": "b" * 16, "before": ["a" * 16]}])
    seen = {name: str(value) for name, value in row.acts[0].seen.items()}
    feed, asked = Asked({}), list[tuple[str, str, Any]]()

    async def refuse(method: str, path: str, **options: Any) -> Any:
        asked.append((method, path, options["json"]))
        raise InputError("nothing was rolled back: another would come back now")

    monkeypatch.setattr(feed, "ask", refuse)
    page = PromotePage(feed)
    page.person.value, page.reason.value = "ann", "the new one loses"
    with pytest.raises(InputError, match="nothing was rolled back"):
        await page._seat("rollback", "s", seen)
    wish = {"person": "ann", "reason": "the new one loses", "to": "a" * 16}
    assert asked == [("POST", "/api/seats/s/rollback", wish)]
