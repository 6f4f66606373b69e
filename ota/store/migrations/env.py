"""How alembic runs our migrations: on the connection, and so in the transaction, that ``upgrade`` opened."""

from alembic import context

from ota.store.migrations.operations import add_guards, render_type

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=context.config.attributes["metadata"],
    render_as_batch=connection.dialect.name == "sqlite",
    render_item=render_type,
    process_revision_directives=add_guards,
)
context.run_migrations()
