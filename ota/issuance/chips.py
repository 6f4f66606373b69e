"""A chip by its own data: one number stands on one chip, and the card that a chip bears is not overwritten.

An element's name is its wallet's word; key diversification data under a cryptogram that holds is the chip's own. What is
predicted from data that a phone read beforehand is a claim: whatever took the batch has that chip's keys, but it may be that
nothing took it. So a claim keeps other chips away until a report says that it missed.
"""

from __future__ import annotations

from sqlalchemy import Connection, select

from ota.core.values import CardNumber
from ota.issuance.channels import ElementDiffers
from ota.issuance.errors import CardOnChip
from ota.issuance.models import issuance_order
from ota.issuance.orders import IssuanceOrder
from ota.issuance.states import IssuanceState
from ota.registry import cards


def has_another_card(tx: Connection, order: IssuanceOrder, chip: bytes) -> bool:
    """Whether the chip bears the active card of another order for this product, which a build or a clearing would delete."""
    others = select(issuance_order.c.card_no, issuance_order.c.caller_id, issuance_order.c.se_id).where(
        issuance_order.c.chip == chip.hex(),
        issuance_order.c.product == order.product,
        issuance_order.c.state == IssuanceState.ACTIVE,
        issuance_order.c.id != order.id,
    )
    return any(
        cards.is_on(tx, CardNumber(row.card_no), row.caller_id, row.se_id) for row in tx.execute(others)
    )


def require_free(tx: Connection, order: IssuanceOrder, chip: bytes) -> None:
    """Raise CardOnChip for a chip that bears the active card of another order."""
    if has_another_card(tx, order, chip):
        raise CardOnChip


def fits(order: IssuanceOrder, chip: bytes) -> bool:
    """Whether this is the chip that the order was written to, or may have been; any chip while it was written to none."""
    return (order.chip or order.claimed_chip) in {None, chip}


def pin(tx: Connection, order: IssuanceOrder, chip: bytes) -> None:
    """Bind the order, and so its number, to the chip that has answered, for good; raises ElementDiffers.

    The caller holds the row's lock, here and below.
    """
    _require_fit(order, chip)
    _set(tx, order.id, chip=chip.hex(), claimed_chip=None)


def claim(tx: Connection, order: IssuanceOrder, chip: bytes) -> None:
    """Bind the order to the chip that a prediction is for, until its answer is known; raises ElementDiffers."""
    _require_fit(order, chip)
    if order.chip is None:
        _set(tx, order.id, claimed_chip=chip.hex())


def confirm(tx: Connection, order: IssuanceOrder) -> None:
    """The prediction held: the claim was the chip's own word. Without a claim nothing changes."""
    if order.claimed_chip is not None:
        _set(tx, order.id, chip=order.claimed_chip.hex(), claimed_chip=None)


def withdraw(tx: Connection, order: IssuanceOrder) -> None:
    """The prediction missed, and nothing took the batch: another chip may be the order's."""
    _set(tx, order.id, claimed_chip=None)


def _require_fit(order: IssuanceOrder, chip: bytes) -> None:
    if not fits(order, chip):
        raise ElementDiffers


def _set(tx: Connection, order_id: str, **chips: str | None) -> None:
    tx.execute(issuance_order.update().where(issuance_order.c.id == order_id).values(chips))
