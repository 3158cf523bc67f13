"""The way from every earlier database to today's; run by `storage.database` when it opens one."""

# Known without loading alembic: opening an up-to-date database asks only for its number.
REVISIONS = ("0001", "0002", "0003", "0004")
HEAD = REVISIONS[-1]
