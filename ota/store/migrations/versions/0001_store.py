"""The store's own tables: history, outbox, idempotency, replay guard, callers."""
# mypy: disable-error-code="attr-defined"

import sqlalchemy as sa
from alembic import op

from ota.store import types

revision = '0001'
down_revision = None


def upgrade() -> None:
    op.create_table('caller',
    sa.Column('id', sa.String(length=64), nullable=False),
    sa.Column('kind', sa.Enum('wallet', 'phone', 'terminal', 'staff', name='callerkind', native_enum=False, create_constraint=True, length=32), nullable=False),
    sa.Column('city', sa.String(length=4), nullable=True),
    sa.Column('terminal_no', sa.String(length=12), nullable=True),
    sa.Column('wallet', sa.String(length=64), nullable=True),
    sa.Column('roles', types.Json(), nullable=False),
    sa.Column('otp_secret', sa.String(length=64), nullable=True),
    sa.Column('disabled', sa.Boolean(), nullable=False),
    sa.Column('sandbox', sa.Boolean(), nullable=False),
    sa.Column('created_at', types.UtcDateTime(), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_caller'))
    )
    op.create_table('idempotency',
    sa.Column('principal', sa.String(length=64), nullable=False),
    sa.Column('key', sa.String(length=255), nullable=False),
    sa.Column('digest', sa.LargeBinary(length=32), nullable=False),
    sa.Column('holder', sa.String(length=40), nullable=True),
    sa.Column('leased_until', types.UtcDateTime(), nullable=False),
    sa.Column('created_at', types.UtcDateTime(), nullable=False),
    sa.Column('status', sa.Integer(), nullable=True),
    sa.Column('body', sa.LargeBinary(), nullable=True),
    sa.PrimaryKeyConstraint('principal', 'key', name=op.f('pk_idempotency'))
    )
    op.create_table('outbox',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('job', sa.String(length=64), nullable=False),
    sa.Column('subject_id', sa.String(length=64), nullable=False),
    sa.Column('due_at', types.UtcDateTime(), nullable=False),
    sa.Column('leased_until', types.UtcDateTime(), nullable=True),
    sa.Column('attempts', sa.Integer(), nullable=False),
    sa.Column('last_error', sa.String(length=200), nullable=True),
    sa.Column('dead_at', types.UtcDateTime(), nullable=True),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_outbox')),
    sqlite_autoincrement=True
    )
    with op.batch_alter_table('outbox', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_outbox_dead_at_due_at'), ['dead_at', 'due_at'], unique=False)
        batch_op.create_index(batch_op.f('ix_outbox_job_subject_id'), ['job', 'subject_id'], unique=False)

    op.create_table('replay_guard',
    sa.Column('issuer', sa.String(length=64), nullable=False),
    sa.Column('jti', sa.String(length=128), nullable=False),
    sa.Column('expires_at', types.UtcDateTime(), nullable=False),
    sa.PrimaryKeyConstraint('issuer', 'jti', name=op.f('pk_replay_guard'))
    )
    with op.batch_alter_table('replay_guard', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_replay_guard_expires_at'), ['expires_at'], unique=False)

    op.create_table('state_history',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('kind', sa.String(length=32), nullable=False),
    sa.Column('subject_id', sa.String(length=64), nullable=False),
    sa.Column('before', sa.String(length=32), nullable=True),
    sa.Column('event', sa.String(length=48), nullable=False),
    sa.Column('after', sa.String(length=32), nullable=False),
    sa.Column('at', types.UtcDateTime(), nullable=False),
    sa.Column('detail', types.Json(), nullable=True),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_state_history')),
    info={'append_only': True}
    )
    with op.batch_alter_table('state_history', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_state_history_kind_subject_id'), ['kind', 'subject_id'], unique=False)

    op.create_table('caller_key',
    sa.Column('caller_id', sa.String(length=64), nullable=False),
    sa.Column('kid', sa.String(length=64), nullable=False),
    sa.Column('jwk', types.Json(), nullable=False),
    sa.Column('created_at', types.UtcDateTime(), nullable=False),
    sa.Column('retired_at', types.UtcDateTime(), nullable=True),
    sa.ForeignKeyConstraint(['caller_id'], ['caller.id'], name=op.f('fk_caller_key_caller_id')),
    sa.PrimaryKeyConstraint('caller_id', 'kid', name=op.f('pk_caller_key'))
    )
    op.append_only('state_history')

