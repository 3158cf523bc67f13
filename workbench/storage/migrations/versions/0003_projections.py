"""What the journals tell, as tables: orders, fills, sessions, days, and how far each journal was read."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add the projections; they are empty until the journals are read."""
    op.create_table(
        "orders",
        sa.Column("account", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("key", sa.String(128), nullable=False),
        sa.Column("order_id", sa.BigInteger(), nullable=True),
        sa.Column("contract", sa.String(64), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("session", sa.String(128), nullable=False),
        sa.Column("strategy", sa.String(64), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("body", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("account", "number", name="pk_orders"),
    )
    op.create_index("ix_orders_account_order_id", "orders", ["account", "order_id"])
    op.create_table(
        "fills",
        sa.Column("account", sa.BigInteger(), nullable=False),
        sa.Column("trade_id", sa.BigInteger(), nullable=False),
        sa.Column("order_id", sa.BigInteger(), nullable=False),
        sa.Column("contract", sa.String(64), nullable=False),
        sa.Column("trading_date", sa.String(10), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("body", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("account", "trade_id", name="pk_fills"),
    )
    op.create_table(
        "sessions",
        sa.Column("account", sa.BigInteger(), nullable=False),
        sa.Column("session", sa.String(128), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("strategy", sa.String(64), nullable=False),
        sa.Column("contract", sa.String(64), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("started_at", sa.BigInteger(), nullable=False),
        sa.Column("body", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("account", "session", name="pk_sessions"),
    )
    op.create_table(
        "days",
        sa.Column("account", sa.BigInteger(), nullable=False),
        sa.Column("trading_date", sa.String(10), nullable=False),
        sa.Column("body", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("account", "trading_date", name="pk_days"),
    )
    op.create_table(
        "read_journals",
        sa.Column("account", sa.BigInteger(), nullable=False),
        sa.Column("files", sa.Integer(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("account", name="pk_read_journals"),
    )
