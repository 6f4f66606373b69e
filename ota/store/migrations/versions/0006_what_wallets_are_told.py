"""What wallets are told: events, their places in a feed and their deliveries."""
# mypy: disable-error-code="attr-defined"

import sqlalchemy as sa
from alembic import op

from ota.store import types

revision = '0006'
down_revision = '0005'


def upgrade() -> None:
    op.create_table('wallet_event',
    sa.Column('row', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('id', sa.String(length=40), nullable=False),
    sa.Column('caller_id', sa.String(length=64), nullable=False),
    sa.Column('card_no', sa.String(length=19), nullable=False),
    sa.Column('kind', sa.String(length=48), nullable=False),
    sa.Column('data', types.Json(), nullable=False),
    sa.Column('at', types.UtcDateTime(), nullable=False),
    sa.PrimaryKeyConstraint('row', name=op.f('pk_wallet_event')),
    sa.UniqueConstraint('id', name=op.f('uq_wallet_event_id')),
    info={'append_only': True}
    )
    with op.batch_alter_table('wallet_event', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_wallet_event_at'), ['at'], unique=False)
        batch_op.create_index(batch_op.f('ix_wallet_event_caller_id_card_no_row'), ['caller_id', 'card_no', 'row'], unique=False)

    op.create_table('wallet_feed',
    sa.Column('caller_id', sa.String(length=64), nullable=False),
    sa.Column('position', sa.BigInteger(), nullable=False),
    sa.Column('failures', sa.Integer(), nullable=False),
    sa.Column('paused_until', types.UtcDateTime(), nullable=True),
    sa.PrimaryKeyConstraint('caller_id', name=op.f('pk_wallet_feed'))
    )
    op.create_table('wallet_delivery',
    sa.Column('event_row', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), autoincrement=False, nullable=False),
    sa.Column('caller_id', sa.String(length=64), nullable=False),
    sa.Column('position', sa.BigInteger(), nullable=False),
    sa.Column('card_no', sa.String(length=19), nullable=False),
    sa.Column('card_position', sa.Integer(), nullable=False),
    sa.Column('state', sa.Enum('waiting', 'acknowledged', 'given_up', 'not_sent', name='deliverystate', native_enum=False, create_constraint=True, length=32), nullable=False),
    sa.Column('tries', sa.Integer(), nullable=False),
    sa.Column('last_error', sa.String(length=64), nullable=True),
    sa.Column('waiting_since', types.UtcDateTime(), nullable=False),
    sa.Column('due_at', types.UtcDateTime(), nullable=False),
    sa.Column('sending_until', types.UtcDateTime(), nullable=True),
    sa.Column('ended_at', types.UtcDateTime(), nullable=True),
    sa.ForeignKeyConstraint(['event_row'], ['wallet_event.row'], name=op.f('fk_wallet_delivery_event_row')),
    sa.PrimaryKeyConstraint('event_row', name=op.f('pk_wallet_delivery')),
    sa.UniqueConstraint('caller_id', 'card_no', 'card_position', name=op.f('uq_wallet_delivery_caller_id_card_no_card_position')),
    sa.UniqueConstraint('caller_id', 'position', name=op.f('uq_wallet_delivery_caller_id_position'))
    )
    with op.batch_alter_table('wallet_delivery', schema=None) as batch_op:
        batch_op.create_index('ix_wallet_delivery_given_up', ['caller_id'], unique=False, sqlite_where=sa.text("state = 'given_up'"), postgresql_where=sa.text("state = 'given_up'"))
        batch_op.create_index('ix_wallet_delivery_waiting', ['due_at'], unique=False, sqlite_where=sa.text("state = 'waiting'"), postgresql_where=sa.text("state = 'waiting'"))

    op.append_only('wallet_event')

