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


EXCHANGE = """
CREATE FUNCTION syncd_exchange(
    its_account varchar, at timestamptz, ids bigint[], frees timestamptz[],
    wanted integer, room integer, until timestamptz, span interval,
    OUT key bigint, OUT size integer, OUT next_free timestamptz
) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE taken integer;
BEGIN
    -- No other exchange of this account overlaps: what follows sees what went before.
    PERFORM pg_advisory_xact_lock(1937337444, hashtext(its_account));
    WITH answered AS (SELECT id, count(*) AS places FROM unnest(ids) AS id GROUP BY id),
    left_over AS (
        UPDATE block SET places = block.places - answered.places FROM answered
        WHERE block.id = answered.id AND account = its_account RETURNING block.id
    )
    INSERT INTO block (account, places, free_at)
    SELECT its_account, 1, place.free_at FROM unnest(ids, frees) AS place (id, free_at)
    JOIN left_over ON left_over.id = place.id WHERE place.free_at > at;
    DELETE FROM block WHERE account = its_account AND (free_at <= at OR places <= 0);
    UPDATE block SET free_at = at + span WHERE account = its_account AND free_at > until;
    SELECT coalesce(sum(places), 0), min(free_at) INTO taken, next_free
    FROM block WHERE account = its_account;
    key := 0;
    size := greatest(0, least(wanted, room - taken));
    IF size > 0 THEN
        INSERT INTO block (account, places, free_at) VALUES (its_account, size, until)
        RETURNING id INTO key;
        next_free := NULL;
    END IF;
END;
$$
"""
"""`store.rate_ledger` in one statement: a cycle exchanges places several times."""


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
    # Asked of all links at once.
    for index, table, condition in (
        ("ix_decision_waiting", "decision", sa.text("closed_at IS NULL")),
        ("ix_cursor_paused", "cursor", sa.text("name = 'paused'")),
    ):
        op.create_index(
            index, table, ["link_id"], postgresql_where=condition, sqlite_where=condition
        )
    if op.get_context().dialect.name == "postgresql":
        op.execute(EXCHANGE)
    op.add_column(
        "syncd_version", sa.Column("reader", NAME, nullable=False, server_default="0004")
    )


def downgrade() -> None:
    if op.get_context().dialect.name == "postgresql":
        op.execute("DROP FUNCTION syncd_exchange")
    op.drop_index("ix_cursor_paused", "cursor")
    op.drop_index("ix_decision_waiting", "decision")
    with op.batch_alter_table("syncd_version") as version:
        version.drop_column("reader")
    with op.batch_alter_table("link") as link:
        link.drop_index("ix_link_owner")
        link.drop_constraint("fk_link_owner", type_="foreignkey")
        link.drop_column("owner")
        link.add_column(sa.Column("lease_until", INSTANT))
    op.drop_table("member")
