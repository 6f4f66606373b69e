"""The payment channels of callers."""
# mypy: disable-error-code="attr-defined"

import sqlalchemy as sa
from alembic import op

from ota.store import types

revision = '0010'
down_revision = '0009'


def upgrade() -> None:
    with op.batch_alter_table('caller', schema=None) as batch_op:
        batch_op.add_column(sa.Column('channels', types.Json(), nullable=True))


