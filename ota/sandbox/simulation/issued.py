"""New cards at the end of a run: one number, one element; everything finished, nothing held for ever (promise 9)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import sqlalchemy as sa

from ota.issuance.models import issuance_order
from ota.issuance.states import FINAL, IssuanceState
from ota.registry.models import card_number
from ota.registry.states import NumberState
from ota.sandbox.element.files import BinaryFile
from ota.sandbox.element.keyring import Role
from ota.sandbox.element.tunion import INFORMATION
from ota.sandbox.face import card_number as number_in
from ota.sandbox.simulation.cards import Card, has_keys_of_one_version
from ota.sandbox.simulation.truth import Truth, Violated


def unfinished(engine: sa.Engine) -> Iterator[str]:
    """Issuances that found no end."""
    with engine.connect() as tx:
        rows = tx.execute(
            sa.select(issuance_order.c.id, issuance_order.c.state).order_by(issuance_order.c.id)
        ).all()
    return (f"{row.id} is {row.state}" for row in rows if row.state not in FINAL)


def states(engine: sa.Engine) -> Mapping[str, IssuanceState]:
    """How each issuance stands."""
    with engine.connect() as tx:
        rows = tx.execute(sa.select(issuance_order.c.id, issuance_order.c.state)).all()
    return {row.id: row.state for row in rows}


def check(truth: Truth, engine: sa.Engine) -> None:
    """Raise Violated unless every active card is on its element, with a number of its own that is bound."""
    with engine.connect() as tx:
        orders = tx.execute(sa.select(issuance_order).order_by(issuance_order.c.id)).all()
        held = tx.execute(
            sa.select(card_number.c.card_no).where(card_number.c.state == NumberState.HELD)
        ).scalars()
        waiting = {order.card_no for order in orders if order.state not in FINAL}
        if any(number not in waiting for number in held):
            raise Violated("numbers are not lost", "one is held and no order waits for it")
        bound = set(
            tx.execute(
                sa.select(card_number.c.card_no).where(card_number.c.state == NumberState.BOUND)
            ).scalars()
        )
    active = [order for order in orders if order.state is IssuanceState.ACTIVE]
    if bound != {order.card_no for order in active} or len(bound) != len(active):
        raise Violated(
            "one number, one card", f"{len(bound)} numbers are bound, {len(active)} cards are active"
        )
    for order in active:
        shown = [_number_on(card) for card in truth.cards if card.element.se_id == order.se_id]
        if shown != [order.card_no]:
            raise Violated("an active card is on its element", f"{order.id} is not on {order.se_id}")
    for card in truth.cards:
        if any(card.element.se_id == order.se_id for order in active):
            _check_keys(card)


def _check_keys(card: Card) -> None:
    """All keys of an active card are of one version, and not of an older one than every process gave out by then."""
    if not has_keys_of_one_version(card):
        raise Violated("a card has its keys from one version", f"card …{card.digits[-4:]} has others")
    version = card.keyring.by_role(Role.LOAD).version if card.keyring is not None else 0
    if version < card.least_version:
        raise Violated("new cards get new keys", f"card …{card.digits[-4:]} has keys of version {version}")


def _number_on(card: Card) -> str:
    """What the card's EF15 says; empty without an application."""
    file = card.applet.files[INFORMATION] if card.applet is not None else None
    return number_in(file.content) if isinstance(file, BinaryFile) else ""
