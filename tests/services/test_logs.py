"""Logs: one JSON object a line, no secrets, and no log is no reason to stop."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from workbench.services import logs


@pytest.fixture(autouse=True)
def _own_logging(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    monkeypatch.setattr(logs, "_SECRETS", set())
    root.handlers = []
    yield
    for handler in root.handlers:
        handler.close()
    root.handlers = handlers
    root.setLevel(level)


def test_a_secret_is_blotted_out_also_in_a_traceback(tmp_path: Path) -> None:
    logs.set_up("x", tmp_path)
    logs.hide("top-secret-token")
    try:
        raise ValueError("sent top-secret-token")
    except ValueError:
        logging.getLogger("a.b").exception("with %s", "top-secret-token")
    text = (tmp_path / "x.log").read_text()
    line = json.loads(text)
    assert "top-secret-token" not in text
    assert line["logger"] == "a.b" and line["level"] == "error" and "ValueError" in line["text"]


def test_without_a_folder_to_write_logs_go_to_stderr(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    logs.set_up("x", tmp_path / "file" / "logs")
    logging.getLogger("a").warning("still heard")
    said = capsys.readouterr().err
    assert "logs cannot be written" in said and "still heard" in said
