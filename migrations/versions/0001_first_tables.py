"""The first tables.

Revision ID: 0001
Revises:
"""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
INSTANT = sa.DateTime(timezone=True)
TEXT = sa.Text()  # words and JSON alike: see syncd/store/types.py
NAME = sa.String()


def upgrade() -> None:
    op.create_table(
        "link",
        sa.Column("id", KEY, nullable=False),
        sa.Column("name", NAME, nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("holder", TEXT),
        sa.Column("lease_until", INSTANT),
        number("fence"),
        number("living"),
        sa.Column("last_commit", NAME, nullable=False, server_default=""),
        sa.PrimaryKeyConstraint("id", name="pk_link"),
        sa.UniqueConstraint("name", name="uq_link_name"),
    )
    of_link(
        "pair",
        sa.Column("ghl_id", TEXT),
        sa.Column("hubspot_id", TEXT),
        sa.Column("ghl", TEXT, nullable=False),
        sa.Column("hubspot", TEXT, nullable=False),
        sa.Column("ghl_print", NAME, nullable=False),
        sa.Column("hubspot_print", NAME, nullable=False),
        sa.Column("ghl_start", INSTANT),
        sa.Column("hubspot_start", INSTANT),
        words("ghl_contact"),
        words("hubspot_contact"),
        flag("ghl_gone"),
        flag("hubspot_gone"),
        number("version"),
        words("calendar"),
        sa.Column("series", TEXT),
        sa.Column("removal", TEXT),
        sa.Column("open_groups", TEXT),
        flag("marked"),
        flag("unmarkable"),
        sa.Column("owner_by_us", NAME),
        sa.Column("saved_at", INSTANT, nullable=False),
        numbered_once=True,
    )
    unique("uq_pair_ghl_id", "pair", "ghl_id")
    unique("uq_pair_hubspot_id", "pair", "hubspot_id")
    index("ix_pair_ghl_print", "pair", "ghl_id", "ghl_print")
    index("ix_pair_hubspot_print", "pair", "hubspot_id", "hubspot_print")
    index("ix_pair_ghl_start", "pair", "ghl_gone", "ghl_start", "ghl_id", "id")
    index("ix_pair_hubspot_start", "pair", "hubspot_gone", "hubspot_start", "hubspot_id", "id")
    index("ix_pair_ghl_contact", "pair", "ghl_contact")
    index("ix_pair_hubspot_contact", "pair", "hubspot_contact")
    index("ix_pair_turn", "pair", "hubspot_gone", "id", "hubspot_id")
    of_link(
        "intent",
        sa.Column("key", TEXT, nullable=False),
        sa.Column("side", NAME, nullable=False),
        sa.Column("kind", NAME, nullable=False),
        sa.Column("pair_key", KEY, nullable=False, server_default="0"),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("payload", TEXT, nullable=False),
    )
    unique("uq_intent_key", "intent", "key")
    of_link(
        "hold",
        words("ghl_id"),
        words("hubspot_id"),
        words("group_key"),
        sa.Column("reason", NAME, nullable=False),
        words("detail"),
        sa.Column("since", INSTANT),
        number("attempts"),
        sa.Column("retry_at", INSTANT),
        sa.Column("fingerprint", NAME, nullable=False, server_default=""),
        sa.Column("starts_at", INSTANT),
        sa.Column("sides", TEXT, nullable=False),
    )
    unique("uq_hold_record", "hold", "ghl_id", "hubspot_id", "group_key", "reason")
    op.create_table(
        "cursor",
        link_id(),
        sa.Column("name", NAME, nullable=False),
        sa.Column("value", TEXT, nullable=False),
        belongs("cursor"),
        sa.PrimaryKeyConstraint("link_id", "name", name="pk_cursor"),
    )
    of_link(
        "contact",
        sa.Column("ghl_id", TEXT, nullable=False),
        sa.Column("hubspot_id", TEXT, nullable=False),
    )
    unique("uq_contact_ghl_id", "contact", "ghl_id")
    unique("uq_contact_hubspot_id", "contact", "hubspot_id")
    of_link(
        "history",
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("cycle", NAME, nullable=False),
        sa.Column("side", NAME, nullable=False),
        words("ghl_id"),
        words("hubspot_id"),
        sa.Column("action", NAME, nullable=False),
        words("field"),
        sa.Column("before", TEXT),
        sa.Column("after", TEXT),
        words("why"),
        sa.Column("pair_key", KEY, nullable=False, server_default="0"),
        numbered_once=True,
    )
    index("ix_history_ghl_id", "history", "ghl_id", "id")
    index("ix_history_hubspot_id", "history", "hubspot_id", "id")
    index("ix_history_cycle", "history", "cycle", "id")
    index("ix_history_pair", "history", "pair_key", "at")
    index("ix_history_at", "history", "at", "id")
    removing = sa.text("action = 'remove'")
    op.create_index(
        "ix_history_removed_at",
        "history",
        ["link_id", "at"],
        sqlite_where=removing,
        postgresql_where=removing,
    )
    of_link(
        "cycle",
        sa.Column("cycle", NAME, nullable=False),
        sa.Column("kind", NAME, nullable=False),
        sa.Column("started_at", INSTANT, nullable=False),
        sa.Column("finished_at", INSTANT, nullable=False),
        sa.Column("outcome", NAME, nullable=False),
        sa.Column("report", TEXT, nullable=False),
    )
    unique("uq_cycle_cycle", "cycle", "cycle")
    index("ix_cycle_link_id_id", "cycle", "id")
    of_link(
        "decision",
        sa.Column("kind", NAME, nullable=False),
        sa.Column("made_at", INSTANT, nullable=False),
        sa.Column("payload", TEXT, nullable=False),
        sa.Column("closed_at", INSTANT),
        numbered_once=True,
    )
    index("ix_decision_open", "decision", "closed_at", "id")
    op.create_table(
        "block",
        sa.Column("id", KEY, nullable=False),
        sa.Column("account", NAME, nullable=False),
        sa.Column("places", sa.Integer(), nullable=False),
        sa.Column("free_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_block"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_block_account", "block", ["account", "free_at"])


def downgrade() -> None:
    for name in (
        "block",
        "decision",
        "cycle",
        "history",
        "contact",
        "cursor",
        "hold",
        "intent",
        "pair",
        "link",
    ):
        op.drop_table(name)


def of_link(name: str, *columns: sa.Column[Any], numbered_once: bool = False) -> None:
    op.create_table(
        name,
        sa.Column("id", KEY, nullable=False),
        link_id(),
        *columns,
        belongs(name),
        sa.PrimaryKeyConstraint("id", name=f"pk_{name}"),
        sqlite_autoincrement=numbered_once,
    )


def link_id() -> sa.Column[Any]:
    return sa.Column("link_id", KEY, nullable=False)


def belongs(name: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["link_id"], ["link.id"], name=f"fk_{name}_link_id", ondelete="CASCADE"
    )


def words(name: str) -> sa.Column[Any]:
    return sa.Column(name, TEXT, nullable=False, server_default="")


def number(name: str) -> sa.Column[Any]:
    return sa.Column(name, sa.Integer(), nullable=False, server_default="0")


def flag(name: str) -> sa.Column[Any]:
    return sa.Column(name, sa.Boolean(), nullable=False, server_default=sa.text("false"))


def unique(name: str, table: str, *columns: str) -> None:
    op.create_index(name, table, ["link_id", *columns], unique=True)


def index(name: str, table: str, *columns: str) -> None:
    op.create_index(name, table, ["link_id", *columns])
