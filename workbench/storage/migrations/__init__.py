"""The way from every earlier database to today's; run by `storage.database` when it opens one."""

REVISIONS = ("0001", "0002")  # known without loading alembic: opening an up-to-date database asks only for its number
HEAD = REVISIONS[-1]
