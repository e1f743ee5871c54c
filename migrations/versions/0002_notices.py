"""What people were told, what still has to be sent to them, and what a held record is called.

Revision ID: 0002
Revises: 0001
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
INSTANT = sa.DateTime(timezone=True)
TEXT = sa.Text()
NAME = sa.String()


def upgrade() -> None:
    op.add_column("hold", sa.Column("title", TEXT, nullable=False, server_default=""))
    op.create_table(
        "told",
        sa.Column("link_id", KEY, nullable=False),
        sa.Column("key", TEXT, nullable=False),
        sa.Column("told_at", INSTANT, nullable=False),
        belongs("told"),
        sa.PrimaryKeyConstraint("link_id", "key", name="pk_told"),
    )
    op.create_table(
        "letter",
        sa.Column("id", KEY, nullable=False),
        sa.Column("link_id", KEY, nullable=False),
        sa.Column("channel", NAME, nullable=False),
        sa.Column("body", TEXT, nullable=False),
        sa.Column("made_at", INSTANT, nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("due_at", INSTANT, nullable=False),
        belongs("letter"),
        sa.PrimaryKeyConstraint("id", name="pk_letter"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_letter_link_id_id", "letter", ["link_id", "id"])


def downgrade() -> None:
    op.drop_table("letter")
    op.drop_table("told")
    # SQLite cannot drop a column in place: Alembic copies the table.
    with op.batch_alter_table("hold") as hold:
        hold.drop_column("title")


def belongs(name: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["link_id"], ["link.id"], name=f"fk_{name}_link_id", ondelete="CASCADE"
    )
