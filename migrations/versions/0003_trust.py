"""Of each write: what kind of record it made or changed, its title and start, and who decided it.

And which account each token leads to, as the vendor said.

Revision ID: 0003
Revises: 0002
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

INSTANT = sa.DateTime(timezone=True)
TEXT = sa.Text()
NAME = sa.String()


def upgrade() -> None:
    op.add_column(
        "history", sa.Column("record", NAME, nullable=False, server_default="appointment")
    )
    op.add_column("history", sa.Column("title", TEXT, nullable=False, server_default=""))
    op.add_column("history", sa.Column("starts_at", INSTANT))
    op.add_column("history", sa.Column("author", NAME, nullable=False, server_default="sync"))
    op.create_table(
        "account",
        sa.Column("token", NAME, nullable=False),
        sa.Column("number", NAME, nullable=False),
        sa.Column("told_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("token", name="pk_account"),
    )


def downgrade() -> None:
    op.drop_table("account")
    # SQLite cannot drop a column in place: Alembic copies the table.
    with op.batch_alter_table("history") as history:
        for name in ("author", "starts_at", "title", "record"):
            history.drop_column(name)
