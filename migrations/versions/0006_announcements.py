"""What the vendors announce, and which deliveries came.

Revision ID: 0006
Revises: 0005
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

INSTANT = sa.DateTime(timezone=True)
NAME = sa.String()
KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
WORDS = sa.Text()


def upgrade() -> None:
    op.create_table(
        "announcement",
        sa.Column("id", KEY, nullable=False),
        sa.Column("link_id", KEY, nullable=False),
        sa.Column("side", NAME, nullable=False),
        sa.Column("what", NAME, nullable=False),
        sa.Column("record", WORDS, nullable=False, server_default=""),
        sa.Column("way", NAME, nullable=False, server_default="app"),
        sa.Column("received_at", INSTANT, nullable=False),
        sa.Column("occurred_at", INSTANT),
        sa.PrimaryKeyConstraint("id", name="pk_announcement"),
        sa.ForeignKeyConstraint(
            ["link_id"], ["link.id"], name="fk_announcement_link_id", ondelete="CASCADE"
        ),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_announcement_link_id_id", "announcement", ["link_id", "id"])
    op.create_table(
        "delivery",
        sa.Column("id", KEY, nullable=False),
        sa.Column("link_id", KEY, nullable=False),
        sa.Column("digest", NAME, nullable=False),
        sa.Column("received_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_delivery"),
        sa.ForeignKeyConstraint(
            ["link_id"], ["link.id"], name="fk_delivery_link_id", ondelete="CASCADE"
        ),
    )
    op.create_index("uq_delivery_digest", "delivery", ["link_id", "digest"], unique=True)
    op.create_index("ix_delivery_received_at", "delivery", ["link_id", "received_at"])


def downgrade() -> None:
    for table in ("delivery", "announcement"):
        op.drop_table(table)
