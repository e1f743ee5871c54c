"""What Alembic runs: the migrations over a connection that somebody hands in.

`syncd.store.migrate` passes its connection, with a transaction begun, through
`Config.attributes`. A developer's `alembic revision --autogenerate` passes a URL:
`alembic -x url=sqlite:////tmp/store.db revision --autogenerate -m "…"`.
"""

from alembic import context
from sqlalchemy import Connection

from syncd.store.engine import open_engine
from syncd.store.migrate import VERSION_TABLE
from syncd.store.tables import metadata


def run(connection: Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=metadata,
        version_table=VERSION_TABLE,
        # SQLite cannot alter a table in place: Alembic copies it.
        render_as_batch=True,
    )
    with context.begin_transaction():
        context.run_migrations()


handed_in = context.config.attributes.get("connection")
if handed_in is not None:
    run(handed_in)
else:
    with open_engine(context.get_x_argument(as_dictionary=True)["url"]).begin() as opened:
        run(opened)
