"""What alembic runs: on the connection it is handed, in the transaction that is open there."""

from alembic import context

from workbench.storage.tables import METADATA

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    transactional_ddl=True,  # ours begins before the first statement, on SQLite too
    render_as_batch=True,
)
context.run_migrations()
