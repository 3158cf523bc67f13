"""A smaller journal in the place of a large one: it begins with the state that the large one led to.

The large file stays beside it as ``journal-<epoch>.wbj``. At every instant the account has one whole journal under its
name, so a kill in between costs nothing: either the large file is still in place, or the small one is.
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
        The disk refuses; the journal is as it was.
    """
    load(snapshot.state, check)
    if dump(check) != snapshot.state:
        raise SnapshotUnknown("the snapshot does not come out as it went in; the journal stays as it is")
    path, kept = journal.path, journal.path.with_name(f"journal-{snapshot.epoch}.wbj")
    fresh = path.with_suffix(".new")
    journal.sync()
    write_durably(fresh, snapshot_file(snapshot))
    try:
        os.link(path, kept)
        os.replace(fresh, path)
        sync_folder(path.parent)
    except OSError as error:
        fresh.unlink(missing_ok=True)
        raise StorageError(f"cannot put a new journal in the place of {path}: {error.strerror or error}") from error
    journal.reopen()
    return kept
