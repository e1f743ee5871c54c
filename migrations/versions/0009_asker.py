"""Which process asked for a connection's new token, so that its lease ends with it.

Revision ID: 0009
Revises: 0008
"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    op.add_column("connection", sa.Column("asker", sa.Text()))


def downgrade() -> None:
    with op.batch_alter_table("connection") as connection:
        connection.drop_column("asker")
