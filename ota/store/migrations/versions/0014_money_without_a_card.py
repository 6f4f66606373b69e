"""Money whose card was not made only goes back, and a number that money was ordered for is nobody else's."""
# mypy: disable-error-code="attr-defined"

from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op

from ota.store import types

revision = '0014'
down_revision = '0013'

_NOT_MADE = "SELECT id FROM issuance_order WHERE state = 'abandoned'"
_NAMED = "state = 'free' AND card_no IN (SELECT card_no FROM topup_order)"
_NOW = sa.bindparam('now', type_=types.UtcDateTime())


def upgrade() -> None:
    with op.batch_alter_table('topup_order', schema=None) as batch_op:
        batch_op.add_column(sa.Column('no_card_since', types.UtcDateTime(), nullable=True))

    now = {'now': datetime.now(UTC)}
    tx = op.get_bind()
    # What was ordered before this rule: the numbers of cards that were called off went back into the inventory.
    tx.execute(
        sa.text(f"UPDATE topup_order SET no_card_since = :now WHERE issuance_id IN ({_NOT_MADE})").bindparams(_NOW), now
    )
    tx.execute(
        sa.text(
            "INSERT INTO state_history (kind, subject_id, before, event, after, at)"
            f" SELECT 'card_number', card_no, 'free', 'skipped', 'retired', :now FROM card_number WHERE {_NAMED}"
        ).bindparams(_NOW),
        now,
    )
    tx.execute(sa.text(f"UPDATE card_number SET state = 'retired', updated_at = :now WHERE {_NAMED}").bindparams(_NOW), now)
