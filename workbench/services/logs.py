"""Logs as JSON lines that name the object and never hold a secret."""

from __future__ import annotations

import json
import logging
import sys
from logging.handlers import RotatingFileHandler
from pathlib import Path

_SECRETS: set[str] = set()


def hide(secret: str) -> None:
    """Never write `secret` to a log of this process."""
    if len(secret) >= 6:
        _SECRETS.add(secret)


def blotted(text: str) -> str:
    """Return `text` with every secret this process knows blotted out."""
    for secret in _SECRETS.copy():
        text = text.replace(secret, "•••")
    return text


class JsonLines(logging.Formatter):
    """One JSON object a line: time, level, logger, process, text; known secrets are blotted out."""

    def format(self, record: logging.LogRecord) -> str:
        text = record.getMessage()
        if record.exc_info:
            text += "\n" + self.formatException(record.exc_info)
        text = blotted(text)
        body = {
            "at": self.formatTime(record, "%Y-%m-%dT%H:%M:%S") + f".{int(record.msecs):03d}",
            "level": record.levelname.lower(),
            "logger": record.name,
            "pid": record.process,
            "text": text,
        }
        return json.dumps(body, ensure_ascii=False)


def set_up(name: str, folder: Path | None, level: int = logging.INFO) -> None:
    """Log this process to ``folder/name.log`` (10 MB, five generations), or to stderr without a folder."""
    handler = _handler(name, folder)
    handler.setFormatter(JsonLines())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for noisy in ("httpx", "httpcore", "websockets", "uvicorn.access"):
        logging.getLogger(noisy).setLevel(logging.WARNING)


def _handler(name: str, folder: Path | None) -> logging.Handler:
    if folder is not None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            return RotatingFileHandler(folder / f"{name}.log", maxBytes=10_000_000, backupCount=5, encoding="utf-8")
        except OSError as error:  # a full or read-only disk must not keep anything from being stopped
            sys.stderr.write(f"logs cannot be written to {folder} ({error.strerror}); they go to stderr\n")
    return logging.StreamHandler(sys.stderr)
