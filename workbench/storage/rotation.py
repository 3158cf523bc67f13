"""A smaller journal in the place of a large one: it begins with the state that the large one led to.

The large file stays beside it as ``journal-<epoch>.wbj``, the next of the same epoch as ``journal-<epoch>-2.wbj``. At
every instant the account has one whole journal under its name, so a kill in between costs nothing: either the large
file is still in place, or the small one is.
"""

from __future__ import annotations

import os
from pathlib import Path

from workbench.domain.errors import StorageError
from workbench.execution.state import AccountState
from workbench.storage.home import sync_folder, write_durably
from workbench.storage.journal import Journal
from workbench.storage.records import Snapshot, snapshot_file
from workbench.storage.snapshot import SnapshotUnknown, dump, load

LARGE = 8 * 1024 * 1024  # bytes; a start replays some 20,000 records a second


def name_before(path: Path, epoch: int) -> str:
    """Return the name under which the file at `path` will lie once another one has taken its place.

    One that a rotation which was killed, or which failed, has given it already stays: two would tell of it twice.
    """
    for known in sorted(path.parent.glob("journal-*.wbj")):
        if _is_same(path, known):
            return known.name
    name, number = f"journal-{epoch}.wbj", 1
    while path.with_name(name).exists():
        number += 1
        name = f"journal-{epoch}-{number}.wbj"
    return name


def _is_same(path: Path, other: Path) -> bool:
    return path.exists() and other.exists() and path.samefile(other)


def rotate(journal: Journal, snapshot: Snapshot, check: AccountState) -> Path:
    """Begin a new file with `snapshot` and return where the earlier one lies now.

    Parameters
    ----------
    journal : Journal
        Goes on in the new file; its lock is held by this process.
    snapshot : Snapshot
        Of the state that the journal has led to.
    check : AccountState
        A fresh state: the snapshot is read into it and must come out the same, before anything is moved.

    Raises
    ------
    SnapshotUnknown
        It does not come out the same; nothing was changed.
    StorageError
        The disk refuses; the journal is as it was, or takes nothing more when it is not sure which file a power cut
        would leave.
    """
    load(snapshot.state, check)
    if dump(check) != snapshot.state:
        raise SnapshotUnknown("the snapshot does not come out as it went in; the journal stays as it is")
    path, kept = journal.path, journal.path.with_name(snapshot.before or name_before(journal.path, snapshot.epoch))
    fresh = path.with_suffix(".new")
    journal.sync()
    write_durably(fresh, snapshot_file(snapshot))
    try:
        if not _is_same(path, kept):
            os.link(path, kept)
        os.replace(fresh, path)
    except OSError as error:
        fresh.unlink(missing_ok=True)
        raise StorageError(f"cannot put a new journal in the place of {path}: {error.strerror or error}") from error
    journal.reopen()
    try:
        sync_folder(path.parent)
    except (OSError, StorageError) as error:
        journal.give_up(f"the new journal {path} may not survive a power cut: {error}")
        raise StorageError(journal.broken) from error
    return kept
