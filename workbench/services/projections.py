"""Orders, fills, sessions and days of all accounts as tables: read from the journals, and made again from them at will.

Nothing that trades asks or writes them. The desk reads the journals as they grow; with the database locked or gone it
tries again later, and a runner notices nothing.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.domain.errors import StorageError
from workbench.services.journal_fold import JournalFold, Row, silent_state
from workbench.services.snapshot import fill_dict, order_dict
from workbench.storage.database import Database
from workbench.storage.home import Home
from workbench.storage.records import files_of, read_from, read_snapshot
from workbench.storage.snapshot import load

if TYPE_CHECKING:
    from sqlalchemy import Connection, Table

log = logging.getLogger(__name__)
AT_ONCE = 1 << 20  # bytes of a journal in one transaction
KEEP_EVERY = 4 << 20  # bytes after which the state itself is kept, so that a new desk need not read from the beginning
LOOK_EVERY_S = 2.0
TRY_AGAIN_S = 10.0
OWNERS_S = 2.0


class Reading:
    """How far one account's journal was read, and what it came to."""

    def __init__(self, account: int, fold: JournalFold, files: int = 0, at: int = 0) -> None:
        self.account, self.fold, self.files, self.at = account, fold, files, at
        self.since_kept = 0

    def next(self, folder: Path) -> bool:
        """Read one stretch; False when there was nothing new."""
        files = files_of(folder)
        while self.files < len(files):
            if self.at == 0:
                self._begin(files[self.files])
            records, at = read_from(files[self.files], self.at, AT_ONCE)
            self.since_kept += at - self.at
            self.at = at
            for record in records:
                self.fold.take(record)
            if records:
                return True
            if self.files + 1 == len(files):
                return False
            self.files, self.at = self.files + 1, 0
        return False

    def _begin(self, path: Path) -> None:
        # A file without a snapshot is a history of its own: the account was linked (anew).
        snapshot = read_snapshot(path)
        if self.files and snapshot is not None:
            return  # it goes on where the file before it ended
        state = silent_state(self.account)
        if snapshot is not None:
            load(snapshot.state, state)
        self.fold.begin(state)


class Projections:
    """The tables that the journals come to.

    Parameters
    ----------
    database : Database
        SQLite, or PostgreSQL by ``WORKBENCH_DATABASE_URL``.
    """

    def __init__(self, database: Database) -> None:
        self.database = database
        self._readings: dict[int, Reading] = {}

    # --- written ---

    def update(self, home: Home, account: int) -> bool:
        """Take in one more stretch of an account's journal; False when there is nothing new.

        Raises
        ------
        StorageError
            The database or the journal cannot be used; the next call begins where the last good one ended.
        """
        reading = self._readings.pop(account, None) or self._open(account)
        if not reading.next(home.account(account)):
            self._readings[account] = reading
            return False
        with self.database.writing() as connection:
            _write(connection, reading)
        self._readings[account] = reading
        return True

    def catch_up(self, home: Home, account: int) -> None:
        """Take in all that an account's journal holds."""
        while self.update(home, account):
            pass

    def rebuild(self, home: Home, accounts: Iterable[int] | None = None) -> list[int]:
        """Forget the tables and make them again from the journals; return the accounts."""
        from workbench.storage import tables

        chosen = list(home.accounts() if accounts is None else accounts)
        for account in chosen:
            self._readings.pop(account, None)
            with self.database.writing() as connection:
                for table in (tables.orders, tables.fills, tables.sessions, tables.days, tables.read_journals):
                    connection.execute(table.delete().where(table.c.account == account))
            self.catch_up(home, account)
        return chosen

    async def follow(self, home: Home, tell: Callable[[str], None] = lambda text: None) -> None:
        """Read the journals as they grow, for ever; a database that cannot be written is told once and tried again."""
        told: dict[int | None, str] = {}

        def failed(account: int | None, error: Exception) -> None:
            is_known, told[account] = str(error) in told.values(), str(error)
            if not is_known:
                log.warning("history of account %s is not brought up to date: %s", account or "any", error)
                tell(f"history is not brought up to date (nothing that trades depends on it): {error}")

        while True:
            pause, accounts = LOOK_EVERY_S, list[int]()
            try:
                accounts = home.accounts()
                told.pop(None, None)
            except OSError as error:  # the desk must live on: what trades ends with it
                pause = TRY_AGAIN_S
                failed(None, error)
            for account in accounts:
                try:
                    while await asyncio.to_thread(self.update, home, account):
                        await asyncio.sleep(0.02)  # who serves the red button comes first
                    told.pop(account, None)
                except Exception as error:
                    pause = TRY_AGAIN_S
                    failed(account, error)
            await asyncio.sleep(pause)

    def _open(self, account: int) -> Reading:
        from sqlalchemy import select

        from workbench.storage.tables import orders, read_journals

        with self.database.reading() as connection:
            row = connection.execute(select(read_journals).where(read_journals.c.account == account)).first()
        if row is None:
            return Reading(account, JournalFold(silent_state(account)))
        try:
            fold = JournalFold.restored(account, row.state)
        except StorageError as error:  # an earlier program kept it: the journal tells it again
            log.info("the journal of account %s is read from its beginning: %s", account, error)
            return Reading(account, JournalFold(silent_state(account)))
        with self.database.writing() as connection:  # numbers given after that were not kept
            newer = (orders.c.account == account) & (orders.c.number > fold.last_number)
            connection.execute(orders.delete().where(newer))
        return Reading(account, fold, row.files, row.bytes)

    # --- read ---

    def orders(self, account: int, limit: int = 100, before: int | None = None) -> list[Row]:
        """Return orders, newest first; `before` is the `number` of the last one of the page before."""
        return self._page("orders", "number", account, limit, before)

    def fills(self, account: int, limit: int = 100, before: int | None = None) -> list[Row]:
        """Return fills, newest first, with strategy and rule of their order; `before` is a `trade_id`."""
        return self._page("fills", "trade_id", account, limit, before)

    def sessions(self, account: int, limit: int = 100, before: int | None = None) -> list[Row]:
        """Return sessions, newest first; `before` is a `number`."""
        return self._page("sessions", "number", account, limit, before)

    def days(self, account: int, limit: int = 100, before: str | None = None) -> list[Row]:
        """Return trading dates, newest first; `before` is a `trading_date`. Money in USD, as text where exact."""
        return self._page("days", "trading_date", account, limit, before)

    def owners(self, account: int, numbers: list[int]) -> dict[int, Row]:
        """Return tag, strategy, rule and session of the orders with these numbers of the gateway, by number."""
        if not self.database.exists:
            return {}
        names = ("tag", "strategy", "rule", "session")
        with self.database.reading() as connection:
            known = _bodies(connection, account, numbers)
        return {number: {name: body.get(name) for name in names} for number, body in known.items()}

    def _page(self, name: str, cursor: str, account: int, limit: int, before: int | str | None) -> list[Row]:
        from sqlalchemy import select

        from workbench.storage import tables

        table: Table = getattr(tables, name)
        query = select(table).where(table.c.account == account).order_by(table.c[cursor].desc()).limit(limit)
        if before is not None:
            query = query.where(table.c[cursor] < before)
        if not self.database.exists:
            return []
        with self.database.reading() as connection:
            rows = [{**row.body, "account": account, cursor: getattr(row, cursor)} for row in connection.execute(query)]
            return _with_orders(connection, account, rows) if name == "fills" else rows


async def with_owners(history: Projections, account: int, rows: list[Row]) -> list[Row]:
    """Return orders as the broker tells them with what the journal knows: tag, strategy, rule and session.

    A database that does not answer at once leaves them as they are.
    """
    numbers = [row["order_id"] for row in rows if row["order_id"] is not None]
    try:
        async with asyncio.timeout(OWNERS_S):
            known = await asyncio.to_thread(history.owners, account, numbers)
    except Exception as error:
        log.warning("whose the orders of account %s are is not read: %r", account, error)
        return rows
    return [{**row, **{k: v for k, v in known.get(row["order_id"], {}).items() if v}} for row in rows]


def _with_orders(connection: Connection, account: int, rows: list[Row]) -> list[Row]:
    # A fill may be known before its order is; whose it was is looked up when somebody asks.
    known = _bodies(connection, account, {row["order_id"] for row in rows})
    names = ("strategy", "rule", "session")
    return [{**row, **{n: known.get(row["order_id"], {}).get(n, "") for n in names}} for row in rows]


def _bodies(connection: Connection, account: int, numbers: Iterable[int]) -> dict[int, Row]:
    from sqlalchemy import select

    from workbench.storage.tables import orders

    chosen, bodies = list(numbers), dict[int, Row]()
    for i in range(0, len(chosen), 500):
        query = select(orders).where((orders.c.account == account) & orders.c.order_id.in_(chosen[i : i + 500]))
        bodies |= {row.order_id: row.body for row in connection.execute(query)}
    return bodies


def _write(connection: Connection, reading: Reading) -> None:
    from workbench.storage import tables

    fold, account = reading.fold, reading.account
    gone = fold.gone_orders()
    changed = fold.changed_orders()
    numbers = [*gone, *(number for number, _, _ in changed)]
    rows = [_order_row(account, number, key, order, fold) for number, key, order in changed]
    _replace(connection, tables.orders, account, "number", numbers, rows)
    fills, fold.fills = fold.fills, []
    made = [
        {
            "account": account, "trade_id": f.trade_id, "order_id": f.order_id, "contract": f.contract, "at": f.at,
            "trading_date": date, "body": {**fill_dict(f), "trading_date": date},
        }
        for date, f in fills
    ]  # fmt: skip
    _replace(connection, tables.fills, account, "trade_id", [f.trade_id for _, f in fills], made)
    told = fold.changed_sessions()
    names = ("session", "strategy", "contract", "status", "started_at")
    sessions = [{"account": account, "number": n, "body": r, **{name: r[name] for name in names}} for n, r in told]
    _replace(connection, tables.sessions, account, "session", [r["session"] for _, r in told], sessions)
    dates, fold.changed_days = sorted(fold.changed_days), set()
    days = [{"account": account, "trading_date": date, "body": _day_row(date, fold)} for date in dates]
    _replace(connection, tables.days, account, "trading_date", dates, days)
    if reading.since_kept > KEEP_EVERY:
        kept = {"account": account, "files": reading.files, "bytes": reading.at, "state": fold.save()}
        _replace(connection, tables.read_journals, account, "account", [account], [kept])
        reading.since_kept = 0


def _replace(
    connection: Connection, table: Table, account: int, key: str, keys: list[Any], rows: list[dict[str, Any]]
) -> None:
    for i in range(0, len(keys), 500):
        chosen = table.c[key].in_(keys[i : i + 500])
        connection.execute(table.delete().where((table.c.account == account) & chosen))
    if rows:
        connection.execute(table.insert(), rows)


def _order_row(account: int, number: int, key: str, order: Any, fold: JournalFold) -> dict[str, Any]:
    session = fold.session_of.get(key, "")
    return {
        "account": account, "number": number, "key": key, "order_id": order.order_id, "contract": order.contract,
        "status": str(order.status), "session": session, "strategy": order.strategy, "at": order.created_at,
        "body": {**order_dict(order), "parent_id": order.parent_id, "session": session, "updated_at": order.updated_at},
    }  # fmt: skip


def _day_row(date: str, fold: JournalFold) -> Row:
    day = asdict(fold.days[date])
    net = day["realized_usd"] - day["fees_usd"]
    money = {"realized_usd": day["realized_usd"], "fees_usd": day["fees_usd"], "net_usd": net}
    balance = None if day["balance_usd"] is None else str(day["balance_usd"])
    return {**day, "trading_date": date, **{k: f"{v:.2f}" for k, v in money.items()}, "balance_usd": balance}
