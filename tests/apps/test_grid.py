"""Tables of a page: what is sent, what comes back, and what a refusal leaves behind."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from workbench.apps.grid import Act, Field, Grid, Row, columns
from workbench.apps.pages import PAGES
from workbench.domain.errors import InputError

HEADS = columns("Contract", "#Qty", "~Why")


def made(monkeypatch: pytest.MonkeyPatch, **options: Any) -> tuple[Grid, list[dict[str, Any]]]:
    grid, sent = Grid(title="Positions", **options), list[dict[str, Any]]()
    monkeypatch.setattr(grid, "_send_msg", sent.append)
    return grid, sent


def said(verb: str, row: str = "", **values: Any) -> Any:
    return SimpleNamespace(data={"act": verb, "id": row, "values": values})


def test_numbers_are_marked_and_nothing_is_sent_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    grid, sent = made(monkeypatch)
    rows = [Row(id="a", cells=["MES Z26", ("+2", "up"), "entry.long"])]
    grid.rows(HEADS, rows)
    grid.rows(HEADS, rows)
    (message,) = sent
    assert [c["number"] for c in message["columns"]] == [False, True, False]
    assert [c["wrap"] for c in message["columns"]] == [False, False, True]
    assert message["rows"] == [{"id": "a", "cells": ["MES Z26", ["+2", "up"], "entry.long"]}]


async def test_a_view_that_comes_late_gets_what_it_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    grid, sent = made(monkeypatch)
    await grid._heard(said("hello"))
    assert sent == []
    grid.rows(HEADS, [], empty="flat")
    await grid._heard(said("hello"))
    assert [m["empty"] for m in sent] == ["flat", "flat"]


async def test_an_action_reaches_the_page_with_what_was_typed_and_frees_its_row(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    heard: list[tuple[str, str, dict[str, str]]] = []

    async def act(verb: str, row: str, values: dict[str, str]) -> None:
        heard.append((verb, row, values))

    grid, sent = made(monkeypatch, on_act=act)
    modify = Act(verb="modify", label="Modify", inputs=(Field(name="price", label="Price", value=6850.25, step=0.25),))
    grid.rows(HEADS, [Row(id="7", cells=["MES Z26", "1", ""], acts=(modify,))])
    assert sent[0]["rows"][0]["acts"][0]["inputs"] == [
        {"name": "price", "label": "Price", "value": 6850.25, "step": 0.25}
    ]
    await grid._heard(said("modify", "7", price="6851.5"))
    assert heard == [("modify", "7", {"price": "6851.5"})]
    assert sent[-1] == {"done": "7"}


async def test_a_refusal_is_told_and_the_row_is_free_again(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[tuple[str, str]] = []

    async def act(verb: str, row: str, values: dict[str, str]) -> None:
        raise InputError("6851.3 is not on the tick of MES (0.25)")

    grid, sent = made(monkeypatch, on_act=act, tell=lambda text, tone: told.append((text, tone)))
    await grid._heard(said("modify", "7"))
    assert told == [("6851.3 is not on the tick of MES (0.25)", "alarm")]
    assert sent == [{"done": "7"}]


def test_every_page_of_the_table_that_is_there_can_be_opened_and_the_live_desk_is_first() -> None:
    assert PAGES[0].name == "live" and PAGES[0].path == "/live"
    assert len({p.path for p in PAGES}) == len(PAGES)
    for place in PAGES:
        if place.is_there:
            module = __import__(f"workbench.apps.{place.name}", fromlist=["page"])
            assert module.page.name == place.name


async def test_what_the_question_was_about_goes_to_the_browser_with_its_button(monkeypatch: pytest.MonkeyPatch) -> None:
    grid, sent = made(monkeypatch)
    turn = Act(verb="reverse", label="Reverse", sure="Turn +2 to −2?", seen={"seen_qty": 2})
    grid.rows(HEADS, [Row(id="7", cells=["MES Z26", "+2", ""], acts=(turn, Act(verb="close", label="Close")))])
    assert [act.get("seen") for act in sent[0]["rows"][0]["acts"]] == [{"seen_qty": 2}, None]
