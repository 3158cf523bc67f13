"""`workbench session`: parameters as a person types them."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from typer.testing import CliRunner

from workbench.commands import session as module
from workbench.commands.session import parameters
from workbench.domain.errors import InputError


def test_values_take_the_type_that_they_look_like() -> None:
    written = ["fast=5", "factor=1.5", "on=True", "name=abc", "note=a=b"]
    assert parameters(written) == {"fast": 5, "factor": 1.5, "on": True, "name": "abc", "note": "a=b"}


@pytest.mark.parametrize("text", ["fast", "=5", "2x=5", "a b=1"])
def test_what_is_no_parameter_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="must be name=value"):
        parameters([text])


def test_a_table_of_80_columns_shows_a_session_so_that_it_can_be_typed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    row = {
        "session": "opening_range-12345678-8061da",
        "contract": "CON.F.US.MES.Z26",
        "state": "running",
        "position": -1,
        "pnl_usd": -1234.5,
        "trades": 115,
    }
    fake = SimpleNamespace(snapshot=lambda: {"sessions": [row]})
    monkeypatch.setattr(module, "_desk", lambda: fake)
    out = CliRunner().invoke(module.app, ["list"]).output
    assert row["session"] in out and "MESZ26" in out and max(map(len, out.splitlines())) <= 80
