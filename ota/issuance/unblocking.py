"""An operator lets an element be tried again whose security domain refused the platform."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, func, or_, select

from ota.core.errors import InvalidValue
from ota.issuance.models import channel_opening, chip_opening, issuance_order
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


def unblock(
    tx: Connection, caller_id: str, se_id: str, looked: Looked, now: datetime, chip: str | None = None
) -> bool:
    """Forget the failed openings of an element's security domains; False when there are none. Goes into the audit trail.

    So are those of the chips that orders for it were bound to, and of ``chip`` (in hex), which other names may have blocked.
    """
    counted = (
        channel_opening.c.caller_id == caller_id,
        channel_opening.c.se_id == se_id,
        or_(channel_opening.c.failed > 0, channel_opening.c.pending > 0),
    )
    rows = tx.execute(select(channel_opening).where(*counted).with_for_update()).all()
    chips = _unblock_chips(tx, caller_id, se_id, chip, now)
    if not rows and not chips:
        return False
    tx.execute(channel_opening.update().where(*counted).values(failed=0, pending=0, updated_at=now))
    domains = [
        {"sd_aid": row.sd_aid, "key_version": row.key_version, "failed": row.failed, "untold": row.pending}
        for row in rows
    ]
    data = {"se_id": se_id, "reason": looked.reason, "domains": domains, "chips": chips}
    audit.append(tx, Entry(audit.ELEMENTS, looked.by, "unblocked", caller_id, data, now))
    return True


def _unblock_chips(
    tx: Connection, caller_id: str, se_id: str, chip: str | None, now: datetime
) -> list[dict[str, object]]:
    bound = select(func.coalesce(issuance_order.c.chip, issuance_order.c.claimed_chip)).where(
        issuance_order.c.caller_id == caller_id, issuance_order.c.se_id == se_id
    )
    known = {chip.lower()} if chip is not None else set()
    known |= {found for found in tx.execute(bound).scalars() if found is not None}
    counted = (
        chip_opening.c.chip.in_(known),
        or_(chip_opening.c.failed > 0, chip_opening.c.pending > 0),
    )
    rows = tx.execute(select(chip_opening).where(*counted).with_for_update()).all()
    tx.execute(chip_opening.update().where(*counted).values(failed=0, pending=0, updated_at=now))
    return [
        {"sd_aid": row.sd_aid, "chip": row.chip, "failed": row.failed, "untold": row.pending} for row in rows
    ]
