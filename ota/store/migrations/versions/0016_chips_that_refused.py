"""Openings are counted by chip as well: a chip has many names."""

import sqlalchemy as sa
from alembic import op

from ota.store import types

revision = '0016'
down_revision = '0015'


def upgrade() -> None:
    op.create_table('chip_opening',
    sa.Column('sd_aid', sa.String(length=32), nullable=False),
    sa.Column('chip', sa.String(length=20), nullable=False),
    sa.Column('failed', sa.Integer(), nullable=False),
    sa.Column('pending', sa.Integer(), nullable=False),
    sa.Column('updated_at', types.UtcDateTime(), nullable=False),
    sa.CheckConstraint('failed >= 0', name=op.f('ck_chip_opening_failed_not_negative')),
    sa.CheckConstraint('pending >= 0', name=op.f('ck_chip_opening_pending_not_negative')),
    sa.PrimaryKeyConstraint('sd_aid', 'chip', name=op.f('pk_chip_opening'))
    )
