"""What Alembic runs to upgrade: on the connection, and in the transaction, of ``upgrading``."""

from alembic import context

from gnomon.store.migrations.revisions import VERSION_TABLE

context.configure(
    connection=context.config.attributes["connection"],
    version_table=VERSION_TABLE,
    transactional_ddl=True,
)
context.run_migrations()
