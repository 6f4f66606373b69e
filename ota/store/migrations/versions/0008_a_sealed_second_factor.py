"""A sealed second factor."""
# mypy: disable-error-code="attr-defined"

import sqlalchemy as sa
from alembic import op


revision = '0008'
down_revision = '0007'


def upgrade() -> None:
    with op.batch_alter_table('caller', schema=None) as batch_op:
        batch_op.add_column(sa.Column('otp_sealed', sa.String(length=255), nullable=True))


