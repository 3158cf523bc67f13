"""`workbench account`: what was said about an account, as a person reads it."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

from typer.testing import CliRunner

from workbench.commands.account import app
from workbench.services.linking import make_link
from workbench.storage.home import Home
from workbench.storage.links import save_link


def test_an_account_is_shown_with_its_limits_one_a_line(tmp_path: Path) -> None:
    save_link(Home(tmp_path), make_link(account=7, name="PRAC-V2-1-1", balance=Decimal(150_000), by="me"))
    text = CliRunner().invoke(app, ["show", "7", "--home", str(tmp_path)]).output
    assert "limit daily_loss_usd" in text and "{" not in text
    assert "T" in next(line for line in text.splitlines() if "linked_at" in line), "a time, not nanoseconds"
    answer = json.loads(CliRunner().invoke(app, ["show", "7", "--home", str(tmp_path), "--json"]).stdout)
    assert answer["limits"]["daily_loss_usd"] and answer["linked_at"] > 10**18
