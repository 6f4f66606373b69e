"""An operator lets an element be tried again whose security domain refused the platform."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, or_, select

from ota.core.errors import InvalidValue
from ota.issuance.models import channel_opening
from ota.store import audit
from ota.store.audit import Entry

_LONGEST_NAME = 64
_LONGEST_REASON = 400


@dataclass(frozen=True, slots=True)
class Looked:
    """Who has looked at an element, and what was found."""

    by: str
    reason: str

    def __post_init__(self) -> None:
        """Raise InvalidValue for what the audit trail cannot keep."""
        for name, value, longest in (
            ("by", self.by, _LONGEST_NAME),
            ("reason", self.reason, _LONGEST_REASON),
        ):
            if not 1 <= len(value) <= longest or not value.isprintable():
                raise InvalidValue(name, f"1 to {longest} printable characters")


def unblock(tx: Connection, caller_id: str, se_id: str, looked: Looked, now: datetime) -> bool:
    """Forget the failed openings of an element's security domains; False when there are none. Goes into the audit trail."""
    counted = (
        channel_opening.c.caller_id == caller_id,
        channel_opening.c.se_id == se_id,
        or_(channel_opening.c.failed > 0, channel_opening.c.pending > 0),
    )
    rows = tx.execute(select(channel_opening).where(*counted).with_for_update()).all()
    if not rows:
        return False
    tx.execute(channel_opening.update().where(*counted).values(failed=0, pending=0, updated_at=now))
    domains = [
        {"sd_aid": row.sd_aid, "key_version": row.key_version, "failed": row.failed, "untold": row.pending}
        for row in rows
    ]
    data = {"se_id": se_id, "reason": looked.reason, "domains": domains}
    audit.append(tx, Entry(audit.ELEMENTS, looked.by, "unblocked", caller_id, data, now))
    return True
