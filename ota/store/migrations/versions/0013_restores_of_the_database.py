"""What a restored database cannot know waits for people: whose restore it was, and two more decisions."""
# mypy: disable-error-code="attr-defined"

import sqlalchemy as sa
from alembic import op

from ota.store import types

revision = '0013'
down_revision = '0012'

_COLUMNS = "id, action, subject_id, city, reason, data, maker, made_at, checker, checked_at, outcome"


def upgrade() -> None:
    op.create_table('database_restore',
    sa.Column('id', sa.String(length=40), nullable=False),
    sa.Column('backup_at', types.UtcDateTime(), nullable=True),
    sa.Column('at', types.UtcDateTime(), nullable=False),
    sa.Column('actor', sa.String(length=64), nullable=False),
    sa.Column('data', types.Json(), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_database_restore')),
    info={'append_only': True}
    )
    with op.batch_alter_table('issuance_order', schema=None) as batch_op:
        batch_op.add_column(sa.Column('restore_id', sa.String(length=40), nullable=True))

    with op.batch_alter_table('load_attempt', schema=None) as batch_op:
        batch_op.add_column(sa.Column('restore_id', sa.String(length=40), nullable=True))

    with op.batch_alter_table('refund', schema=None) as batch_op:
        batch_op.add_column(sa.Column('restore_id', sa.String(length=40), nullable=True))

    with op.batch_alter_table('topup_order', schema=None) as batch_op:
        batch_op.add_column(sa.Column('restore_id', sa.String(length=40), nullable=True))

    op.append_only('database_restore')
    op.execute("CREATE TEMPORARY TABLE kept_approval AS SELECT * FROM approval")
    op.drop_table('approval')
    op.create_table('approval',
    sa.Column('id', sa.String(length=40), nullable=False),
    sa.Column('action', sa.Enum('refund', 'write_off', 'confirm_load', 'reverse_confirmation', 'refund_again', 'refund_by_hand', 'abandon_issuance', 'release_order', 'record_refund', 'release_card', name='action', native_enum=False, create_constraint=True, length=32), nullable=False),
    sa.Column('subject_id', sa.String(length=40), nullable=False),
    sa.Column('city', sa.String(length=4), nullable=False),
    sa.Column('reason', sa.String(length=400), nullable=False),
    sa.Column('data', types.Json(), nullable=False),
    sa.Column('maker', sa.String(length=64), nullable=False),
    sa.Column('made_at', types.UtcDateTime(), nullable=False),
    sa.Column('checker', sa.String(length=64), nullable=True),
    sa.Column('checked_at', types.UtcDateTime(), nullable=True),
    sa.Column('outcome', sa.Enum('approved', 'rejected', name='outcome', native_enum=False, create_constraint=True, length=32), nullable=True),
    sa.CheckConstraint('(outcome IS NULL) = (checker IS NULL)', name=op.f('ck_approval_outcome_has_a_checker')),
    sa.CheckConstraint('checker IS NULL OR checker <> maker', name=op.f('ck_approval_four_eyes')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_approval'))
    )
    with op.batch_alter_table('approval', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_approval_subject_id'), ['subject_id'], unique=False)
        batch_op.create_index('uq_approval_open', ['subject_id'], unique=True, sqlite_where=sa.text('outcome IS NULL'), postgresql_where=sa.text('outcome IS NULL'))
    op.execute(f"INSERT INTO approval ({_COLUMNS}) SELECT {_COLUMNS} FROM kept_approval")
    op.execute("DROP TABLE kept_approval")

