"""Attempts are looked up by their card and its counter: among those that are settled nothing led to them but a scan."""
# mypy: disable-error-code="attr-defined"

from alembic import op

revision = '0017'
down_revision = '0016'


def upgrade() -> None:
    with op.batch_alter_table('load_attempt', schema=None) as batch_op:
        batch_op.create_index('ix_load_attempt_card_no_online_atc', ['card_no', 'online_atc'], unique=False)
