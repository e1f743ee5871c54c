"""Who decided on the page, and which records or contacts a held record may belong to.

Revision ID: 0008
Revises: 0007
"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.add_column("history", sa.Column("decided_by", sa.Text(), nullable=False, server_default=""))
    op.add_column("hold", sa.Column("candidates", sa.Text()))


def downgrade() -> None:
    with op.batch_alter_table("hold") as hold:
        hold.drop_column("candidates")
    with op.batch_alter_table("history") as history:
        history.drop_column("decided_by")
