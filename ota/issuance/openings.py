"""Openings of security domains, counted before they leave: too many that fail lock a security domain for good.

Counted twice: under the name that a wallet has for an element, and for its chip, which is the same under every name.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Final, NamedTuple

from sqlalchemy import ColumnElement, Connection, Table, and_, case, select

from ota.core.errors import Busy, CardProblem, NextAction
from ota.issuance.channels import Door
from ota.issuance.models import channel_opening, chip_opening
from ota.store.inserts import insert_or_skip

MAX_FAILED: Final = 2
MAX_UNTOLD: Final = 5
"""Openings in a row of which phones that vanished told nothing; below what elements lock themselves at."""


class ChannelBlocked(CardProblem):
    """Two openings in a row failed; another could lock the element for good."""

    code = "channel_blocked"
    next_action = NextAction.CONTACT_SERVICE
    english = (
        "The secure element refused the platform too often; an operator must look and unblock it "
        "(ota elements unblock) before it is tried again."
    )
    chinese = "安全芯片连续认证失败, 需运维人员检查并解除 (ota elements unblock) 后重试。"


class _Count(NamedTuple):
    """One of the rows that count for a door."""

    table: Table
    key: dict[str, object]

    @property
    def is_this(self) -> ColumnElement[bool]:
        return and_(*(self.table.c[name] == value for name, value in self.key.items()))

    @property
    def details(self) -> dict[str, object]:
        """The chip, for an operator whom another name has led here."""
        return {name: value for name, value in self.key.items() if name == "chip"}


def require_unblocked(tx: Connection, door: Door) -> None:
    """Raise ChannelBlocked after two refused openings in a row, or five of which some were never told of."""
    for count in _counts(door):
        failed, pending = _so_far(tx, count, lock=True)
        if failed >= MAX_FAILED or failed + pending >= MAX_UNTOLD:
            raise ChannelBlocked(details=count.details)


def is_untouched(tx: Connection, door: Door) -> bool:
    """Whether no opening of this chip has failed, or is untold of, since the last one that worked."""
    return all(_so_far(tx, count) == (0, 0) for count in _counts(door) if count.table is chip_opening)


def trying(tx: Connection, door: Door, now: datetime, *, predicted: bool = False) -> None:
    """EXTERNAL AUTHENTICATE is about to leave: it counts until a report tells how it went.

    Raises ChannelBlocked. One that is predicted may be refused by no fault of the element, so it is not risked where
    another one is under way: raises Busy then.
    """
    for count in _counts(door):
        new = insert_or_skip(tx, count.table).values(**count.key, failed=0, pending=0, updated_at=now)
        tx.execute(new)
    require_unblocked(tx, door)
    if predicted and not is_untouched(tx, door):
        raise Busy
    for count in _counts(door):
        _change(tx, count, now, pending=count.table.c.pending + 1)


def failed(tx: Connection, door: Door, now: datetime) -> None:
    """The security domain refused an opening that was counted when it left, if nobody has cleared the count since."""
    for count in _counts(door):
        untold = count.table.c.pending
        told = case((untold > 0, untold - 1), else_=0)
        _change(tx, count, now, failed=count.table.c.failed + 1, pending=told)


def opened(tx: Connection, door: Door, now: datetime) -> None:
    """An opening that works clears the count."""
    for count in _counts(door):
        _change(tx, count, now, failed=0, pending=0)


def _counts(door: Door) -> Iterator[_Count]:
    """By name, and by chip once it is known: always in this order, in which their rows are locked."""
    named = {"caller_id": door.caller_id, "se_id": door.element.se_id}
    domain = {"sd_aid": door.domain.aid.hex()}
    yield _Count(channel_opening, {**named, **domain, "key_version": door.domain.key_version})
    if door.chip is not None:
        yield _Count(chip_opening, {**domain, "chip": door.chip.hex()})


def _so_far(tx: Connection, count: _Count, *, lock: bool = False) -> tuple[int, int]:
    columns = count.table.c
    query = select(columns.failed, columns.pending).where(count.is_this)
    row = tx.execute(query.with_for_update() if lock else query).one_or_none()
    return (row.failed, row.pending) if row is not None else (0, 0)


def _change(tx: Connection, count: _Count, now: datetime, **changes: object) -> None:
    tx.execute(count.table.update().where(count.is_this).values(**changes, updated_at=now))
