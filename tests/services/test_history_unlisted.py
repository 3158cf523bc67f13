"""A folder that cannot be listed for a moment ends neither the desk nor, with it, whatever trades."""

from __future__ import annotations

import asyncio
import errno
import os
from pathlib import Path

import pytest

from workbench.domain.errors import StorageError
from workbench.services import projections as module
from workbench.services.projections import Projections
from workbench.storage.database import Database
from workbench.storage.home import Home


async def test_history_goes_on_when_the_accounts_could_not_be_listed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LOOK_EVERY_S", 0.01)
    monkeypatch.setattr(module, "TRY_AGAIN_S", 0.01)
    looks, told = [], list[str]()

    def accounts(home: Home) -> list[int]:
        looks.append(home)
        if len(looks) < 3:
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        return []

    monkeypatch.setattr(Home, "accounts", accounts)
    following = asyncio.ensure_future(Projections(Database(Home(tmp_path))).follow(Home(tmp_path), told.append))
    async with asyncio.timeout(10):
        while len(looks) < 5 and not following.done():
            await asyncio.sleep(0.01)
    assert not following.done(), following
    following.cancel()
    assert len(told) == 1 and "Too many open files" in told[0]


async def test_one_account_that_cannot_be_read_is_told_once_beside_one_that_can(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "TRY_AGAIN_S", 0.01)
    told, looks = list[str](), list[int]()
    projections = Projections(Database(Home(tmp_path)))

    def update(home: Home, account: int) -> bool:
        looks.append(account)
        if account == 1:
            raise StorageError("its journal is damaged")
        return False

    monkeypatch.setattr(projections, "update", update)
    monkeypatch.setattr(Home, "accounts", lambda home: [1, 2])
    following = asyncio.ensure_future(projections.follow(Home(tmp_path), told.append))
    async with asyncio.timeout(10):
        while looks.count(2) < 5:
            await asyncio.sleep(0.01)
    following.cancel()
    assert len(told) == 1 and "its journal is damaged" in told[0]
