"""The place in HubSpot's journal, and the subscriptions that syncd made.

Revision ID: 0007
Revises: 0006
"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"

INSTANT = sa.DateTime(timezone=True)
NAME = sa.String()
WORDS = sa.Text()


def upgrade() -> None:
    op.create_table(
        "journal",
        sa.Column("app", NAME, nullable=False),
        sa.Column("place", WORDS, nullable=False, server_default=""),
        sa.Column("read_until", INSTANT),
        sa.Column("reader", NAME, nullable=False, server_default=""),
        sa.Column("fence", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("lease_until", INSTANT),
        sa.PrimaryKeyConstraint("app", name="pk_journal"),
    )
    op.create_table(
        "journal_subscription",
        sa.Column("app", NAME, nullable=False),
        sa.Column("account", NAME, nullable=False),
        sa.Column("kind", NAME, nullable=False),
        sa.Column("key", WORDS, nullable=False, server_default=""),
        sa.Column("made", sa.Boolean(), nullable=False, server_default=sa.text("false")),
        sa.Column("digest", NAME, nullable=False, server_default=""),
        sa.Column("refusal", WORDS, nullable=False, server_default=""),
        sa.Column("asked_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("app", "account", "kind", name="pk_journal_subscription"),
    )


def downgrade() -> None:
    for table in ("journal_subscription", "journal"):
        op.drop_table(table)
