"""The database file: made once whoever comes first, brought up to date, and clear when it cannot be used."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.rules.build import strategy_text
from workbench.domain.errors import InputError, StorageError
from workbench.domain.lifecycle import Moved, Step, promotion
from workbench.rules import parse_strategy
from workbench.storage import database as module
from workbench.storage.attempts import Attempt
from workbench.storage.database import Database, DatabaseBusy, DatabaseDamaged, DatabaseNewer
from workbench.storage.home import Home
from workbench.storage.ledger import Trials
from workbench.storage.migrations import HEAD, REVISIONS
from workbench.storage.versions import Versions

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def no_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WORKBENCH_DATABASE_URL", raising=False)


def tables(path: Path) -> set[str]:
    connection = sqlite3.connect(path)
    try:
        return {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    finally:
        connection.close()


def at_revision(path: Path, revision: str) -> None:
    """Make a database as an earlier program left it."""
    from alembic import command
    from alembic.config import Config

    path.parent.mkdir(parents=True, exist_ok=True)
    config = Config()
    config.set_main_option("script_location", str(ROOT / "workbench" / "storage" / "migrations"))
    with Database(Home(path.parent))._engine(Database(Home(path.parent))._url).begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)


def test_the_first_use_makes_it_and_later_ones_change_nothing(tmp_path: Path) -> None:
    database = Database(Home(tmp_path / "a home, 100%"))
    assert not database.exists
    with database.writing() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert connection.exec_driver_sql("PRAGMA foreign_keys").scalar() == 1
    assert database.exists
    assert tables(database.path) >= {"versions", "attempts", "changes", "live", "results", "trials", "alembic_version"}
    with Database(Home(database.path.parent)).reading() as connection:
        assert database.revision(connection) == HEAD


def test_the_known_revisions_are_those_of_the_scripts() -> None:
    from alembic.script import ScriptDirectory

    script = ScriptDirectory(str(ROOT / "workbench" / "storage" / "migrations"))
    assert [each.revision for each in script.walk_revisions()][::-1] == list(REVISIONS)
    assert script.get_heads() == [HEAD]


@pytest.mark.parametrize("revision", [None, *REVISIONS])
def test_every_earlier_database_ends_as_todays_tables_and_keeps_its_rows(tmp_path: Path, revision: str | None) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    from workbench.storage.tables import METADATA

    database = Database(Home(tmp_path))
    if revision is not None:
        at_revision(database.path, revision)
        with sqlite3.connect(database.path) as connection:
            connection.execute(
                "INSERT INTO versions (version, name, kind, semantics, source, normal, at, person, origin) "
                "VALUES ('0123456789abcdef', 'old', 'yaml', 1, 'text', '{}', 7, 'me', 'old.yaml')"
            )
        connection.close()
    with database.reading() as connection:
        assert compare_metadata(MigrationContext.configure(connection), METADATA) == []
        rows = connection.exec_driver_sql("SELECT version, at FROM versions").all()
    assert [tuple(row) for row in rows] == ([] if revision is None else [("0123456789abcdef", 7)])
    kept = tmp_path / f"workbench-{revision}.db"
    assert kept.exists() == (revision not in (None, HEAD)), "what is changed is copied first"


def test_a_migration_that_fails_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    database = Database(Home(tmp_path))
    at_revision(database.path, "0001")
    before = tables(database.path)
    from alembic import op

    monkeypatch.setattr(op, "create_index", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(StorageError, match="No space left"), database.reading():
        pass
    assert tables(database.path) == before, "the table that came before the failing index is gone again"
    monkeypatch.undo()
    with Database(Home(tmp_path)).reading() as connection:
        assert database.revision(connection) == HEAD


def test_processes_that_start_at_once_migrate_once(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from workbench.storage.database import Database; "
        "from workbench.storage.home import Home\n"
        "sys.stdin.readline()\n"
        "with Database(Home(Path(sys.argv[1]))).writing() as connection:\n"
        "    number = connection.exec_driver_sql('SELECT count(*) FROM trials').scalar()\n"
        '    connection.exec_driver_sql("INSERT INTO trials (at, strategy, data_version, trials, what, evidence) '
        "VALUES (0, 's', 'd', 1, '', '{}')\")"
    )
    processes = [
        subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], cwd=ROOT, stdin=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.close()
    assert [process.wait(60) for process in processes] == [0, 0, 0]
    with Database(Home(tmp_path)).reading() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM trials").scalar() == 3
        assert connection.exec_driver_sql("SELECT count(*) FROM alembic_version").scalar() == 1


def test_homes_that_are_first_used_at_once_in_one_process_are_each_made(tmp_path: Path) -> None:
    code = (
        "import sys, threading\n"
        "from pathlib import Path\n"
        "from workbench.storage.database import Database\n"
        "from workbench.storage.home import Home\n"
        "gate = threading.Barrier(6)\n"
        "def use(n):\n"
        "    gate.wait()\n"
        "    with Database(Home(Path(sys.argv[1]) / str(n))).writing() as connection:\n"
        "        connection.exec_driver_sql('SELECT count(*) FROM trials').scalar()\n"
        "many = [threading.Thread(target=use, args=(n,)) for n in range(6)]\n"
        "[t.start() for t in many]; [t.join() for t in many]\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    made = [tables(path) for path in sorted(tmp_path.glob("*/workbench.db"))]
    assert len(made) == 6 and all(each == made[0] for each in made) and "trials" in made[0]


def test_a_database_of_a_newer_program_is_refused(tmp_path: Path) -> None:
    database = Database(Home(tmp_path))
    with database.writing() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    for use in (Database(Home(tmp_path)).reading, Database(Home(tmp_path)).writing):
        with pytest.raises(DatabaseNewer, match=r"revision 9999, this program knows 0004.*newer Workbench"), use():
            pass


def test_a_damaged_file_says_what_is_safe_and_what_to_do(tmp_path: Path) -> None:
    database = Database(Home(tmp_path))
    database.path.write_bytes(b"this is no database, " * 100)
    with pytest.raises(DatabaseDamaged, match=r"Stored versions are safe.*backup, or move it"), database.reading():
        pass
    database.path.unlink()
    with database.writing() as connection:
        connection.exec_driver_sql(
            "INSERT INTO trials (at, strategy, data_version, trials, what, evidence) VALUES (0, 's', 'd', 1, ?, '{}')",
            ("x" * 200_000,),
        )
    content = bytearray(database.path.read_bytes())
    content[4096:] = os.urandom(len(content) - 4096)
    database.path.write_bytes(content)
    with (
        pytest.raises(DatabaseDamaged, match="is damaged"),
        Database(Home(tmp_path)).reading() as connection,
    ):
        connection.exec_driver_sql("SELECT * FROM trials").all()


def test_all_of_a_transaction_is_kept_or_nothing(tmp_path: Path) -> None:
    database = Database(Home(tmp_path))
    row = "INSERT INTO trials (at, strategy, data_version, trials, what, evidence) VALUES (0, 's', 'd', 1, '', '{}')"
    with contextlib.suppress(KeyError), database.writing() as connection:
        connection.exec_driver_sql(row)
        raise KeyError
    with database.reading() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM trials").scalar() == 0


def test_who_waits_too_long_for_another_writer_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BUSY_S", 0.05)
    first, second = Database(Home(tmp_path)), Database(Home(tmp_path))
    with first.writing():
        with pytest.raises(DatabaseBusy, match="another process has been writing"), second.writing():
            pass
        with second.reading() as connection:  # who reads does not wait
            assert connection.exec_driver_sql("SELECT count(*) FROM trials").scalar() == 0


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("nonsense", "is no address"),
        ("mysql://me@here/db", "may name PostgreSQL"),
        ("postgresql://me:secret@127.0.0.1:1/db?connect_timeout=2", r"me:\*\*\*@127.0.0.1"),
    ],
)
def test_an_address_that_leads_nowhere_is_explained_without_its_password(
    tmp_path: Path, address: str, told: str
) -> None:
    with pytest.raises((InputError, StorageError), match=told) as caught, Database(Home(tmp_path), address).reading():
        pass
    assert "secret" not in str(caught.value)
    assert not (tmp_path / "workbench.db").exists()


def test_importing_workbench_or_the_registry_loads_no_sqlalchemy() -> None:
    code = (
        "import sys, workbench; from workbench.storage import database, registry, versions, ledger; "
        "print(sorted({'sqlalchemy', 'alembic'} & set(sys.modules)))"
    )
    answer = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert answer.stdout.strip() == "[]", answer.stderr


# --- a home that cannot be written ---


@pytest.fixture
def read_only(tmp_path: Path) -> Iterator[Path]:
    """A home with a database, on a disk that was made read-only, where the system lets us have one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", folder], capture_output=True).returncode:
        pytest.skip("needs the right to mount a tmpfs")
    try:
        with Database(Home(folder / "full")).writing():
            pass
        (folder / "empty").mkdir()
        subprocess.run(["mount", "-o", "remount,ro", folder], check=True)
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)


def test_a_read_only_home_can_be_read_and_says_that_it_cannot_be_written(read_only: Path) -> None:
    database = Database(Home(read_only / "full"))
    with database.reading() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM versions").scalar() == 0
    with pytest.raises(StorageError, match="WORKBENCH_HOME writable"), database.writing():
        pass
    empty = Database(Home(read_only / "empty"))
    assert not empty.exists
    with pytest.raises(StorageError, match="cannot"), empty.writing():
        pass


# --- PostgreSQL ---


def test_postgresql_is_brought_to_the_same_tables(address: str, tmp_path: Path) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    from workbench.storage.tables import METADATA

    database = Database(Home(tmp_path), address)
    with database.writing() as connection:
        assert compare_metadata(MigrationContext.configure(connection), METADATA) == []
    with Database(Home(tmp_path), address).reading() as connection:
        assert database.revision(connection) == HEAD
    assert list(tmp_path.iterdir()) == []


def test_postgresql_has_one_writer_too(address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = Database(Home(tmp_path), address), Database(Home(tmp_path), address)
    with first.writing():
        pass
    monkeypatch.setattr(module, "BUSY_S", 1)
    with first.writing(), pytest.raises(DatabaseBusy), second.writing():
        pass


def test_postgresql_holds_versions_trials_and_one_live_version(address: str, tmp_path: Path) -> None:
    from sqlalchemy.exc import IntegrityError

    home = Home(tmp_path)
    versions = Versions(home, Database(home, address))
    names = [
        versions.register(parse_strategy(strategy_text(stop=f"{{ticks: {n}}}")), at=n, person="ada").version
        for n in (5, 6)
    ]
    for name in names:
        told = {"at": 9, "version": name, "person": "ada", "reason": "", "accepted": True, "program": "0"}
        up = [Moved(name, Step.PASSED_TESTS), Moved(name, Step.WENT_TO_PAPER)]
        versions.carry_out(Attempt(wanted="paper", session="", **told), lambda _, up=up: up)
        versions.carry_out(
            Attempt(wanted="live", session="open", **told), lambda now, name=name: promotion(now, name, "open")
        )
    assert [(r.version, r.state.value, r.parent) for r in versions.recorded()] == [
        (names[0], "paper", None),
        (names[1], "live", names[0]),
    ]
    with pytest.raises(IntegrityError), versions.database.writing() as connection:
        connection.exec_driver_sql(f"INSERT INTO live (session, version, attempt) VALUES ('open', '{names[0]}', 1)")
    for _ in range(2):
        versions.attach(names[0], "backtest", {"net_usd": float("nan")}, {"data": {"version": "d"}}, at=3)
    assert [r.stats for r in versions.results(names[0])] == [{"net_usd": None}]
    ledger = Trials(home, versions.database)
    ledger.add("probe", "d", 40, "grid", evidence={"pbo": 0.25})
    assert ledger.count("probe") == 40 and ledger.list()[0].evidence == {"pbo": 0.25}
