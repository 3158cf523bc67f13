"""`workbench limits`: what a person types, and what comes back."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from workbench.commands import tree
from workbench.domain.errors import InputError

tree.mount("limits")
REASON = ["--reason", "a quiet week", "--person", "ann"]


def run(home: Path, *words: str) -> str:
    result = CliRunner().invoke(tree.app, ["limits", *words, "--home", str(home)])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.output


def test_a_limit_is_tightened_shown_and_on_record(tmp_path: Path) -> None:
    assert "global: max_position=3 from" in run(tmp_path, "tighten", "max_position=3", *REASON)
    run(tmp_path, "tighten", "max_order_qty=1", "products=MES,NQ", "--market", "MES", *REASON)
    body = json.loads(run(tmp_path, "show", "--json"))
    assert body["global"] == {"max_position": 3}
    assert body["markets"] == {"MES": {"max_order_qty": 1, "products": ["MES", "ENQ"]}}
    assert len(json.loads(run(tmp_path, "history", "--json"))) == 2
    assert "a quiet week" in run(tmp_path, "history")


def test_a_limit_is_switched_off_by_the_word_while_nothing_trades(tmp_path: Path) -> None:
    run(tmp_path, "tighten", "flat_by=15:00", *REASON)
    assert "looser: flat_by" in run(tmp_path, "set", "flat_by=off", *REASON)
    assert json.loads(run(tmp_path, "show", "--json"))["global"] == {}


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["tighten", "max_position"], "name=value"),
        (["tighten", "max_positon=2"], "did you mean max_position"),
        (["set", "max_position=2", "--account", "1", "--market", "MES"], "name one of"),
    ],
)
def test_a_change_that_cannot_be_meant_is_refused(tmp_path: Path, words: list[str], told: str) -> None:
    with pytest.raises(InputError, match=told):
        run(tmp_path, *words, *REASON)
    assert not (tmp_path / "limits.yaml").exists()


def test_an_account_of_its_own_is_shown_whole(tmp_path: Path) -> None:
    output = run(tmp_path, "show", "--account", "1001")
    assert "max_drawdown_usd" in output and "off" in output
