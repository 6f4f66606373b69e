"""How often a second factor was tried in a row, and which of its codes was taken last."""
# mypy: disable-error-code="attr-defined"

import sqlalchemy as sa
from alembic import op

from ota.store import types

revision = '0005'
down_revision = '0004'


def upgrade() -> None:
    op.create_table('second_factor',
    sa.Column('caller_id', sa.String(length=64), nullable=False),
    sa.Column('tries', sa.Integer(), nullable=False),
    sa.Column('paused_until', types.UtcDateTime(), nullable=True),
    sa.Column('last_step', sa.BigInteger(), nullable=True),
    sa.ForeignKeyConstraint(['caller_id'], ['caller.id'], name=op.f('fk_second_factor_caller_id')),
    sa.PrimaryKeyConstraint('caller_id', name=op.f('pk_second_factor'))
    )
