"""`workbench token`: issued without a desk, shown once, revoked for good."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from workbench.commands.token import app
from workbench.domain.errors import InputError, UnknownName
from workbench.services.audit import Audit
from workbench.services.issued_tokens import IssuedTokens
from workbench.storage.home import Home


def run(place: Path, *arguments: str) -> Any:
    return CliRunner().invoke(app, [*arguments, "--home", str(place)], catch_exceptions=False)


def test_a_token_is_printed_once_and_opens_until_it_is_revoked(tmp_path: Path) -> None:
    made = run(tmp_path, "create", "--name", "page", "--scope", "read", "--scope", "stop")
    token = made.stdout.strip().splitlines()[0]
    found = IssuedTokens(Home(tmp_path)).find(token.encode())
    assert found is not None and found.scopes == ("read", "stop")
    listed = json.loads(run(tmp_path, "list", "--json").stdout)
    assert [row["name"] for row in listed] == ["page"] and token not in json.dumps(listed)
    assert "opens nothing any more" in run(tmp_path, "revoke", "page").stdout
    assert IssuedTokens(Home(tmp_path)).find(token.encode()) is None
    assert [line["what"] for line in Audit(Home(tmp_path)).read(5)] == ["revoke a token", "create a token"]
    assert token not in (tmp_path / "audit.jsonl").read_text()


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        (["--name", "x", "--scope", "everything"], UnknownName, "unknown scope"),
        (["--name", " ", "--scope", "read"], InputError, "needs a name"),
        (["--name", "x", "--scope", "read", "--days", "0"], InputError, "between 0 and 366 days"),
        (["--name", "x", "--scope", "read", "--days", "nan"], InputError, "between 0 and 366 days"),
    ],
)
def test_a_wish_that_makes_no_sense_issues_nothing(
    tmp_path: Path, arguments: list[str], error: type[Exception], text: str
) -> None:
    with pytest.raises(error, match=text):
        run(tmp_path, "create", *arguments)
    assert IssuedTokens(Home(tmp_path)).list() == []


def test_what_is_not_there_cannot_be_revoked(tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match="unknown token"):
        run(tmp_path, "revoke", "nobody")
