"""The tables of the database as the newest migration leaves them; loaded only with the database itself.

Times are UTC ns. What is recorded is never changed: `changes` are folded (`domain.lifecycle`), and `live` is what the
fold comes to, kept as a table so that the database itself refuses a second live version of one session.
"""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
    UniqueConstraint,
)

METADATA = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

versions = Table(
    "versions",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("version", String(64), nullable=False, unique=True),
    Column("name", String(128), nullable=False, index=True),
    Column("parent", ForeignKey("versions.version"), nullable=True),
    Column("kind", String(16), nullable=False),  # yaml, python
    Column("semantics", Integer, nullable=False),  # of the engine that gave the version its hash
    Column("source", Text, nullable=False),
    Column("normal", JSON, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("person", String(128), nullable=False),
    Column("origin", String(255), nullable=False),
)

attempts = Table(  # of a promotion or rollback, refused ones too
    "attempts",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("at", BigInteger, nullable=False),
    Column("version", ForeignKey("versions.version"), nullable=False, index=True),
    Column("wanted", String(16), nullable=False),
    Column("session", String(128), nullable=False),
    Column("person", String(128), nullable=False),
    Column("reason", Text, nullable=False),
    Column("parameters", JSON, nullable=False),  # the values that were judged
    Column("accepted", Boolean(create_constraint=False), nullable=False),
    Column("program", String(64), nullable=False),
    Column("verdicts", JSON, nullable=False),
)

changes = Table(
    "changes",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("attempt", ForeignKey("attempts.id"), nullable=False, index=True),
    Column("version", ForeignKey("versions.version"), nullable=False, index=True),
    Column("step", String(32), nullable=False),
    Column("session", String(128), nullable=False),
)

live = Table(
    "live",
    METADATA,
    Column("session", String(128), primary_key=True),
    Column("version", ForeignKey("versions.version"), nullable=False),
    Column("attempt", ForeignKey("attempts.id"), nullable=False),
    CheckConstraint("session <> ''", name="named"),
)

results = Table(
    "results",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("key", String(64), nullable=False),  # hash of what was run: the same run again is the same row
    Column("version", ForeignKey("versions.version"), nullable=False, index=True),
    Column("kind", String(32), nullable=False),  # backtest, out_of_sample, walk_forward, detectors
    Column("at", BigInteger, nullable=False),
    Column("data_version", String(64), nullable=False),
    Column("program", String(64), nullable=False),
    Column("costs", JSON, nullable=False),
    Column("stats", JSON, nullable=False),
    Column("provenance", JSON, nullable=False),
    UniqueConstraint("key", name="uq_results_key"),
)

trials = Table(
    "trials",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("at", BigInteger, nullable=False),
    Column("strategy", String(128), nullable=False),
    Column("data_version", String(64), nullable=False),
    Column("trials", Integer, nullable=False),
    Column("what", Text, nullable=False),
    Column("evidence", JSON, nullable=False),  # of the sweep: pbo, deflated_sharpe …; {} when not told
    CheckConstraint("trials > 0", name="some"),
    Index("ix_trials_strategy_data_version", "strategy", "data_version"),
)

# --- what the journals tell (`services.projections`): made again at will, and nothing that trades asks them ---

orders = Table(
    "orders",
    METADATA,
    Column("account", BigInteger, nullable=False),
    Column("number", Integer, nullable=False),  # in the order in which they were first heard of
    Column("key", String(128), nullable=False),  # our tag, or # and the gateway's id
    Column("order_id", BigInteger, nullable=True),
    Column("contract", String(64), nullable=False),
    Column("status", String(16), nullable=False),
    Column("session", String(128), nullable=False),
    Column("strategy", String(64), nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("body", JSON, nullable=False),
    PrimaryKeyConstraint("account", "number", name="pk_orders"),
    Index("ix_orders_account_order_id", "account", "order_id"),
)

fills = Table(
    "fills",
    METADATA,
    Column("account", BigInteger, nullable=False),
    Column("trade_id", BigInteger, nullable=False),
    Column("order_id", BigInteger, nullable=False),
    Column("contract", String(64), nullable=False),
    Column("trading_date", String(10), nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("body", JSON, nullable=False),
    PrimaryKeyConstraint("account", "trade_id", name="pk_fills"),
)

sessions = Table(
    "sessions",
    METADATA,
    Column("account", BigInteger, nullable=False),
    Column("session", String(128), nullable=False),
    Column("number", Integer, nullable=False),
    Column("strategy", String(64), nullable=False),
    Column("contract", String(64), nullable=False),
    Column("status", String(16), nullable=False),
    Column("started_at", BigInteger, nullable=False),
    Column("body", JSON, nullable=False),
    PrimaryKeyConstraint("account", "session", name="pk_sessions"),
)

days = Table(  # of an account: one row a trading date
    "days",
    METADATA,
    Column("account", BigInteger, nullable=False),
    Column("trading_date", String(10), nullable=False),
    Column("body", JSON, nullable=False),
    PrimaryKeyConstraint("account", "trading_date", name="pk_days"),
)

read_journals = Table(  # how far each account's journal was read, and the state up to there
    "read_journals",
    METADATA,
    Column("account", BigInteger, nullable=False),
    Column("files", Integer, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("state", LargeBinary, nullable=False),
    PrimaryKeyConstraint("account", name="pk_read_journals"),
)

# --- reports by the clock (`services.schedule_store`) ---

schedules = Table(
    "schedules",
    METADATA,
    Column("name", String(64), nullable=False),
    Column("template", String(255), nullable=False),
    Column("parameters", JSON, nullable=False),
    Column("due", String(128), nullable=False),  # as a person wrote it
    Column("keep", Integer, nullable=False),
    Column("tries", Integer, nullable=False),
    Column("retry_s", Integer, nullable=False),
    Column("person", String(128), nullable=False),
    Column("since", BigInteger, nullable=True),  # market time at which a scheduler saw it first
    Column("next_due", BigInteger, nullable=True),  # as the scheduler last told
    PrimaryKeyConstraint("name", name="pk_schedules"),
)

report_runs = Table(  # one row for each due time that was taken: who holds it, and until when if nobody renews it
    "report_runs",
    METADATA,
    Column("schedule", String(64), nullable=False),
    Column("due", BigInteger, nullable=False),  # market time
    Column("status", String(16), nullable=False),  # running, waiting (for another try), ok, failed
    Column("holder", String(128), nullable=False),
    Column("until", BigInteger, nullable=False),  # wall time: end of the lease, or when to try again
    Column("tries", Integer, nullable=False),
    Column("report", String(160), nullable=False),
    Column("error", Text, nullable=False),
    PrimaryKeyConstraint("schedule", "due", name="pk_report_runs"),
)
