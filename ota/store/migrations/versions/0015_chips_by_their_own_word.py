"""A chip is found by its own data, whatever wallets call it, and one that was only predicted is kept apart."""

import sqlalchemy as sa
from alembic import op

revision = '0015'
down_revision = '0014'


def upgrade() -> None:
    with op.batch_alter_table('issuance_order', schema=None) as batch_op:
        batch_op.add_column(sa.Column('claimed_chip', sa.String(length=20), nullable=True))
        batch_op.create_index('ix_issuance_order_chip', ['chip', 'product'], unique=False, sqlite_where=sa.text('chip IS NOT NULL'), postgresql_where=sa.text('chip IS NOT NULL'))
