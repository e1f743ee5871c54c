"""OAuth connections, and the attempts to make one.

Revision ID: 0005
Revises: 0004
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

INSTANT = sa.DateTime(timezone=True)
NAME = sa.String()
TEXT = sa.Text()
KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def _text(name: str) -> "sa.Column[str]":
    return sa.Column(name, TEXT, nullable=False, server_default="")


def _name(name: str) -> "sa.Column[str]":
    return sa.Column(name, NAME, nullable=False, server_default="")


def upgrade() -> None:
    op.create_table(
        "connection",
        sa.Column("id", KEY, nullable=False),
        sa.Column("vendor", NAME, nullable=False),
        sa.Column("kind", NAME, nullable=False),
        sa.Column("account", NAME, nullable=False),
        _name("company"),
        _text("name"),
        _name("client_id"),
        _text("scopes"),
        _text("access"),
        _text("refresh"),
        sa.Column("generation", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("lease_until", INSTANT),
        sa.Column("asked_at", INSTANT),
        sa.Column("failures", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("token_ends", INSTANT),
        sa.Column("renew_at", INSTANT),
        _text("refusal"),
        sa.Column("connected_at", INSTANT, nullable=False),
        sa.Column("installed_at", INSTANT),
        sa.Column("uninstalled_at", INSTANT),
        sa.PrimaryKeyConstraint("id", name="pk_connection"),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "uq_connection_account", "connection", ["vendor", "kind", "account"], unique=True
    )
    op.create_index("ix_connection_vendor_account", "connection", ["vendor", "account"])
    op.create_table(
        "oauth_attempt",
        sa.Column("state", NAME, nullable=False),
        sa.Column("vendor", NAME, nullable=False),
        _text("redirect_uri"),
        _text("verifier"),
        sa.Column("begun_at", INSTANT, nullable=False),
        sa.Column("expires_at", INSTANT, nullable=False),
        sa.Column("claimed_at", INSTANT),
        _name("outcome"),
        _text("detail"),
        sa.Column("connection_id", KEY, nullable=False, server_default="0"),
        sa.PrimaryKeyConstraint("state", name="pk_oauth_attempt"),
    )


def downgrade() -> None:
    op.drop_table("oauth_attempt")
    op.drop_table("connection")
