"""`workbench account`: what was said about an account, as a person reads it."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from workbench.commands import account
from workbench.commands.account import app
from workbench.domain.errors import InputError
from workbench.services.linking import make_link
from workbench.storage.home import Home
from workbench.storage.links import load_link, save_link


def test_an_account_is_shown_with_its_limits_one_a_line(tmp_path: Path) -> None:
    save_link(Home(tmp_path), make_link(account=7, name="PRAC-V2-1-1", balance=Decimal(150_000), by="me"))
    text = CliRunner().invoke(app, ["show", "7", "--home", str(tmp_path)]).output
    assert "limit daily_loss_usd" in text and "{" not in text
    assert "T" in next(line for line in text.splitlines() if "linked_at" in line), "a time, not nanoseconds"
    answer = json.loads(CliRunner().invoke(app, ["show", "7", "--home", str(tmp_path), "--json"]).stdout)
    assert answer["limits"]["daily_loss_usd"] and answer["linked_at"] > 10**18


def test_linking_an_express_account_asks_for_its_plan_and_says_what_is_not_guarded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = {"account": 3, "name": "EXPRESS-V2-1-3", "kind": "express", "balance_usd": "0", "can_trade": True}

    async def listed(*_: object) -> list[dict[str, Any]]:
        return [row]

    monkeypatch.setattr(account, "_listed", listed)
    words = ["link", "3", "--yes", "--home", str(tmp_path)]
    asked = CliRunner().invoke(app, words)
    assert isinstance(asked.exception, InputError) and "--programme" in str(asked.exception)
    assert load_link(Home(tmp_path), 3) is None, "nothing was linked"
    bare = CliRunner().invoke(app, [*words, "--programme", "", "--json"])
    assert bare.exit_code == 0 and json.loads(bare.stdout)["programme"] == ""
    assert "Not guarded: the maximum-loss level" in bare.stderr
    level = ["--programme", "topstep-50k", "--max-loss-level", "-1500"]
    whole = CliRunner().invoke(app, [*words, *level, "--json"])
    assert whole.exit_code == 0 and whole.stderr == ""
    assert json.loads(whole.stdout)["programme"] == "topstep-50k-express"
