"""Money moves: refunds per payment, decisions of two people, whose money a journal moves, heads of the audit.

The tables that nothing had been written to are made anew. Payments and load attempts keep their rows.
"""
# mypy: disable-error-code="attr-defined"

import sqlalchemy as sa
from alembic import op

from ota.store import types

revision = '0003'
down_revision = '0002'

_PAYMENTS = """
INSERT INTO payment (id, order_id, purpose, surplus, caller_id, city, channel, trade_no, amount_fen, currency, paid_at, taken_at)
SELECT kept.id, kept.order_id, CASE WHEN iss.id IS NULL THEN 'topup' ELSE 'fee' END, NULL,
       COALESCE(top.caller_id, iss.caller_id), COALESCE(top.city, iss.city),
       kept.channel, kept.trade_no, kept.amount_fen, kept.currency, kept.paid_at, kept.taken_at
FROM kept_payment AS kept
LEFT JOIN topup_order AS top ON top.id = kept.order_id
LEFT JOIN issuance_order AS iss ON iss.id = kept.order_id
"""

_ATTEMPT = (
    "id, order_id, card_no, nonce, state, amount_fen, terminal_no, host_time, balance_raw, online_atc, "
    "key_version, algorithm_id, random, mac1, authorised_at, decided_at"
)
_ATTEMPTS = f"INSERT INTO load_attempt ({_ATTEMPT}) SELECT {_ATTEMPT} FROM kept_load_attempt"


def upgrade() -> None:
    for table in ("posting", "journal", "refund", "approval"):  # no version before this one wrote to them
        op.drop_table(table)
    for table in ("payment", "load_attempt"):
        op.execute(f"CREATE TEMPORARY TABLE kept_{table} AS SELECT * FROM {table}")
        op.drop_table(table)
    op.create_table('approval',
    sa.Column('id', sa.String(length=40), nullable=False),
    sa.Column('action', sa.Enum('refund', 'write_off', 'refund_again', 'refund_by_hand', 'release_card', name='action', native_enum=False, create_constraint=True, length=32), nullable=False),
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

    op.create_table('audit_head',
    sa.Column('stream', sa.String(length=32), nullable=False),
    sa.Column('position', sa.Integer(), nullable=False),
    sa.Column('digest', sa.LargeBinary(length=32), nullable=False),
    sa.PrimaryKeyConstraint('stream', name=op.f('pk_audit_head'))
    )
    op.create_table('payment',
    sa.Column('id', sa.String(length=40), nullable=False),
    sa.Column('order_id', sa.String(length=40), nullable=False),
    sa.Column('purpose', sa.Enum('topup', 'fee', name='paymentpurpose', native_enum=False, create_constraint=True, length=32), nullable=False),
    sa.Column('surplus', sa.Enum('requested', 'not_loaded_in_time', 'four_eyes', 'card_not_made', 'amount_differs', 'paid_twice', name='refundreason', native_enum=False, create_constraint=True, length=32), nullable=True),
    sa.Column('caller_id', sa.String(length=64), nullable=False),
    sa.Column('city', sa.String(length=4), nullable=False),
    sa.Column('channel', sa.String(length=32), nullable=False),
    sa.Column('trade_no', sa.String(length=64), nullable=False),
    sa.Column('amount_fen', sa.BigInteger(), nullable=False),
    sa.Column('currency', sa.String(length=3), nullable=False),
    sa.Column('paid_at', types.UtcDateTime(), nullable=False),
    sa.Column('taken_at', types.UtcDateTime(), nullable=False),
    sa.CheckConstraint("currency = 'CNY'", name=op.f('ck_payment_currency_yuan')),
    sa.CheckConstraint('amount_fen > 0', name=op.f('ck_payment_amount_positive')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_payment')),
    sa.UniqueConstraint('channel', 'trade_no', name=op.f('uq_payment_channel_trade_no'))
    )
    with op.batch_alter_table('payment', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_payment_order_id'), ['order_id'], unique=False)
        batch_op.create_index('ix_payment_surplus', ['id'], unique=False, sqlite_where=sa.text('surplus IS NOT NULL'), postgresql_where=sa.text('surplus IS NOT NULL'))
        batch_op.create_index('uq_payment_of_order', ['order_id'], unique=True, sqlite_where=sa.text('surplus IS NULL'), postgresql_where=sa.text('surplus IS NULL'))

    op.create_table('journal',
    sa.Column('id', sa.String(length=40), nullable=False),
    sa.Column('kind', sa.String(length=32), nullable=False),
    sa.Column('reference', sa.String(length=64), nullable=False),
    sa.Column('subject_id', sa.String(length=40), nullable=False),
    sa.Column('business_day', sa.Date(), nullable=False),
    sa.Column('at', types.UtcDateTime(), nullable=False),
    sa.ForeignKeyConstraint(['business_day'], ['business_day.day'], name=op.f('fk_journal_business_day')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_journal')),
    sa.UniqueConstraint('kind', 'reference', name=op.f('uq_journal_kind_reference')),
    info={'append_only': True}
    )
    with op.batch_alter_table('journal', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_journal_business_day'), ['business_day'], unique=False)
        batch_op.create_index(batch_op.f('ix_journal_subject_id'), ['subject_id'], unique=False)

    op.create_table('load_attempt',
    sa.Column('id', sa.String(length=40), nullable=False),
    sa.Column('order_id', sa.String(length=40), nullable=False),
    sa.Column('card_no', sa.String(length=19), nullable=False),
    sa.Column('nonce', sa.String(length=64), nullable=False),
    sa.Column('state', sa.Enum('authorised', 'uncertain', 'loaded', 'dead', 'decided', 'given_up', name='attemptstate', native_enum=False, create_constraint=True, length=32), nullable=False),
    sa.Column('amount_fen', sa.BigInteger(), nullable=False),
    sa.Column('terminal_no', sa.String(length=12), nullable=False),
    sa.Column('host_time', sa.String(length=14), nullable=False),
    sa.Column('balance_raw', sa.BigInteger(), nullable=False),
    sa.Column('online_atc', sa.Integer(), nullable=False),
    sa.Column('key_version', sa.Integer(), nullable=False),
    sa.Column('algorithm_id', sa.Integer(), nullable=False),
    sa.Column('random', sa.String(length=8), nullable=False),
    sa.Column('mac1', sa.String(length=8), nullable=False),
    sa.Column('authorised_at', types.UtcDateTime(), nullable=False),
    sa.Column('decided_at', types.UtcDateTime(), nullable=True),
    sa.CheckConstraint('amount_fen > 0', name=op.f('ck_load_attempt_amount_positive')),
    sa.CheckConstraint('online_atc BETWEEN 0 AND 65535', name=op.f('ck_load_attempt_atc_range')),
    sa.ForeignKeyConstraint(['nonce'], ['load_challenge.nonce'], name=op.f('fk_load_attempt_nonce')),
    sa.ForeignKeyConstraint(['order_id'], ['topup_order.id'], name=op.f('fk_load_attempt_order_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_load_attempt')),
    sa.UniqueConstraint('nonce', name=op.f('uq_load_attempt_nonce'))
    )
    with op.batch_alter_table('load_attempt', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_load_attempt_order_id'), ['order_id'], unique=False)
        batch_op.create_index('uq_load_attempt_live_per_card', ['card_no'], unique=True, sqlite_where=sa.text("state IN ('authorised', 'uncertain', 'decided')"), postgresql_where=sa.text("state IN ('authorised', 'uncertain', 'decided')"))
        batch_op.create_index('uq_load_attempt_loaded_per_counter', ['card_no', 'online_atc'], unique=True, sqlite_where=sa.text("state = 'loaded'"), postgresql_where=sa.text("state = 'loaded'"))

    op.create_table('refund',
    sa.Column('id', sa.String(length=40), nullable=False),
    sa.Column('payment_id', sa.String(length=40), nullable=False),
    sa.Column('order_id', sa.String(length=40), nullable=False),
    sa.Column('caller_id', sa.String(length=64), nullable=False),
    sa.Column('refund_key', sa.String(length=64), nullable=False),
    sa.Column('round', sa.Integer(), nullable=False),
    sa.Column('tries', sa.Integer(), nullable=False),
    sa.Column('state', sa.Enum('requested', 'sent', 'unknown', 'done', 'failed', name='refundstate', native_enum=False, create_constraint=True, length=32), nullable=False),
    sa.Column('amount_fen', sa.BigInteger(), nullable=False),
    sa.Column('reason', sa.Enum('requested', 'not_loaded_in_time', 'four_eyes', 'card_not_made', 'amount_differs', 'paid_twice', name='refundreason', native_enum=False, create_constraint=True, length=32), nullable=False),
    sa.Column('created_at', types.UtcDateTime(), nullable=False),
    sa.Column('updated_at', types.UtcDateTime(), nullable=False),
    sa.CheckConstraint('amount_fen > 0', name=op.f('ck_refund_amount_positive')),
    sa.ForeignKeyConstraint(['payment_id'], ['payment.id'], name=op.f('fk_refund_payment_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_refund')),
    sa.UniqueConstraint('payment_id', name=op.f('uq_refund_payment_id')),
    sa.UniqueConstraint('refund_key', name=op.f('uq_refund_refund_key'))
    )
    with op.batch_alter_table('refund', schema=None) as batch_op:
        batch_op.create_index('ix_refund_open', ['state', 'updated_at'], unique=False, sqlite_where=sa.text("state <> 'done'"), postgresql_where=sa.text("state <> 'done'"))
        batch_op.create_index(batch_op.f('ix_refund_order_id'), ['order_id'], unique=False)

    op.create_table('posting',
    sa.Column('journal_id', sa.String(length=40), nullable=False),
    sa.Column('line', sa.Integer(), nullable=False),
    sa.Column('account_id', sa.String(length=64), nullable=False),
    sa.Column('amount_fen', sa.BigInteger(), nullable=False),
    sa.CheckConstraint('amount_fen <> 0', name=op.f('ck_posting_amount_not_zero')),
    sa.ForeignKeyConstraint(['account_id'], ['account.id'], name=op.f('fk_posting_account_id')),
    sa.ForeignKeyConstraint(['journal_id'], ['journal.id'], name=op.f('fk_posting_journal_id')),
    sa.PrimaryKeyConstraint('journal_id', 'line', name=op.f('pk_posting')),
    info={'append_only': True}
    )
    with op.batch_alter_table('posting', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_posting_account_id'), ['account_id'], unique=False)

    with op.batch_alter_table('caller', schema=None) as batch_op:
        batch_op.add_column(sa.Column('callback_url', sa.String(length=255), nullable=True))

    with op.batch_alter_table('topup_order', schema=None) as batch_op:
        batch_op.create_index('uq_topup_order_issuance', ['issuance_id'], unique=True, sqlite_where=sa.text('issuance_id IS NOT NULL'), postgresql_where=sa.text('issuance_id IS NOT NULL'))
        batch_op.create_index('ix_topup_order_waiting', ['state', 'updated_at'], unique=False, sqlite_where=sa.text("state IN ('paid', 'loading', 'uncertain', 'held')"), postgresql_where=sa.text("state IN ('paid', 'loading', 'uncertain', 'held')"))

    op.append_only('journal')
    op.append_only('posting')
    op.execute(_PAYMENTS)
    op.execute(_ATTEMPTS)
    for table in ("payment", "load_attempt"):
        op.execute(f"DROP TABLE kept_{table}")

