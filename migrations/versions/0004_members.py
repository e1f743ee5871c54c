"""Processes that share a PostgreSQL store, and which of them owns each link.

The version's row says as well which programs may still work on the tables.

Revision ID: 0004
Revises: 0003
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

INSTANT = sa.DateTime(timezone=True)
NAME = sa.String()
KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
JSON = sa.Text()


def upgrade() -> None:
    op.create_table(
        "member",
        sa.Column("id", KEY, nullable=False),
        sa.Column("holder", JSON, nullable=False),
        sa.Column("joined_at", INSTANT, nullable=False),
        sa.Column("lease_until", INSTANT, nullable=False),
        sa.Column("schema", NAME, nullable=False, server_default=""),
        sa.Column("version", NAME, nullable=False, server_default=""),
        sa.Column("digest", NAME, nullable=False, server_default=""),
        sa.Column("knows", JSON),
        sa.Column("listens", JSON),
        sa.Column("share", sa.Integer(), nullable=False, server_default="0"),
        sa.PrimaryKeyConstraint("id", name="pk_member"),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("link") as link:
        link.drop_column("lease_until")
        link.add_column(sa.Column("owner", KEY))
        link.create_foreign_key("fk_link_owner", "member", ["owner"], ["id"], ondelete="SET NULL")
        link.create_index("ix_link_owner", ["owner"])
    op.add_column(
        "syncd_version", sa.Column("reader", NAME, nullable=False, server_default="0004")
    )


def downgrade() -> None:
    with op.batch_alter_table("syncd_version") as version:
        version.drop_column("reader")
    with op.batch_alter_table("link") as link:
        link.drop_index("ix_link_owner")
        link.drop_constraint("fk_link_owner", type_="foreignkey")
        link.drop_column("owner")
        link.add_column(sa.Column("lease_until", INSTANT))
    op.drop_table("member")
