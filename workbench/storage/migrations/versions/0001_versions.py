"""Versions, attempts to promote them, their changes of state, and the one live version of each session."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make the first tables."""
    op.create_table(
        "versions",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("version", sa.String(64), nullable=False),
        sa.Column("name", sa.String(128), nullable=False),
        sa.Column("parent", sa.String(64), nullable=True),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("semantics", sa.Integer(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("normal", sa.JSON(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("person", sa.String(128), nullable=False),
        sa.Column("origin", sa.String(255), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_versions"),
        sa.UniqueConstraint("version", name="uq_versions_version"),
        sa.ForeignKeyConstraint(["parent"], ["versions.version"], name="fk_versions_parent"),
    )
    op.create_index("ix_versions_name", "versions", ["name"])
    op.create_table(
        "attempts",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.String(64), nullable=False),
        sa.Column("wanted", sa.String(16), nullable=False),
        sa.Column("session", sa.String(128), nullable=False),
        sa.Column("person", sa.String(128), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("parameters", sa.JSON(), nullable=False),
        sa.Column("accepted", sa.Boolean(), nullable=False),
        sa.Column("program", sa.String(64), nullable=False),
        sa.Column("verdicts", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_attempts"),
        sa.ForeignKeyConstraint(["version"], ["versions.version"], name="fk_attempts_version"),
    )
    op.create_index("ix_attempts_version", "attempts", ["version"])
    op.create_table(
        "changes",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("version", sa.String(64), nullable=False),
        sa.Column("step", sa.String(32), nullable=False),
        sa.Column("session", sa.String(128), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_changes"),
        sa.ForeignKeyConstraint(["attempt"], ["attempts.id"], name="fk_changes_attempt"),
        sa.ForeignKeyConstraint(["version"], ["versions.version"], name="fk_changes_version"),
    )
    op.create_index("ix_changes_attempt", "changes", ["attempt"])
    op.create_index("ix_changes_version", "changes", ["version"])
    op.create_table(
        "live",
        sa.Column("session", sa.String(128), nullable=False),
        sa.Column("version", sa.String(64), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("session", name="pk_live"),
        sa.ForeignKeyConstraint(["version"], ["versions.version"], name="fk_live_version"),
        sa.ForeignKeyConstraint(["attempt"], ["attempts.id"], name="fk_live_attempt"),
        sa.CheckConstraint("session <> ''", name="ck_live_named"),
    )
