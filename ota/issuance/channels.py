"""Opening a security domain: predicted where the element allows it, and never tried a third time in vain.

Failed authentications can lock a security domain for good (PROTOCOL.md), so they are counted per element and key set.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from sqlalchemy import ColumnElement, Connection, and_, case, select

from ota.card.globalplatform import commands as gp
from ota.card.security_domains import SecurityDomain, SecurityDomains
from ota.core.errors import CardProblem, NextAction
from ota.dialogue.element import ElementInfo, Opening
from ota.hsm_adapter.channel import Channel, ChannelRequest, ScpVariant
from ota.hsm_adapter.keys import Diversification, KeySetRef
from ota.hsm_adapter.ports import Hsm
from ota.issuance.models import channel_opening
from ota.issuance.orders import IssuanceOrder
from ota.store.inserts import insert_or_skip

MAX_FAILED: Final = 2
MAX_UNTOLD: Final = 5
"""Openings in a row of which phones that vanished told nothing; below what elements lock themselves at."""

KEY_DERIVATION_DATA: Final = 0x00CF
"""GET DATA tag under which an element gives its key diversification data before a channel is open (GP 2.3.1 H.4)."""


CHIP_LENGTH: Final = 10
"""Key diversification data: the first bytes of INITIALIZE UPDATE's answer, vouched for by the keys made from it."""


class ElementMissing(CardProblem):
    """The caller did not say what the secure element is."""

    code = "element_missing"
    next_action = NextAction.NONE
    english = "Say what the secure element is: the field `se` is needed to issue a card."
    chinese = "发卡需要提供安全芯片信息 (se)。"


class ElementDiffers(CardProblem):
    """The order is for another element."""

    code = "element_differs"
    next_action = NextAction.NONE
    english = "The order was made for another secure element."
    chinese = "该订单对应另一安全芯片。"


class ChannelBlocked(CardProblem):
    """Two openings in a row failed; another could lock the element for good."""

    code = "channel_blocked"
    next_action = NextAction.CONTACT_SERVICE
    english = (
        "The secure element refused the platform too often; an operator must look and unblock it "
        "(ota elements unblock) before it is tried again."
    )
    chinese = "安全芯片连续认证失败, 需运维人员检查并解除 (ota elements unblock) 后重试。"


class ChannelTooWeak(CardProblem):
    """The security domain is opened at a level below what the card product asks for."""

    code = "channel_too_weak"
    next_action = NextAction.CONTACT_SERVICE
    english = "The security domain's channel protects less than this card product asks for."
    chinese = "安全通道的安全级别低于该卡产品要求。"


@dataclass(frozen=True, slots=True)
class Door:
    """A security domain of one element, and what opens it."""

    caller_id: str
    element: ElementInfo
    domain: SecurityDomain
    request: ChannelRequest
    chip: bytes | None = None
    """Key diversification data of the chip behind it, once a channel is opened or predicted."""

    @property
    def knock(self) -> tuple[bytes, bytes]:
        """SELECT the security domain and INITIALIZE UPDATE."""
        select_domain = gp.select(self.domain.aid)
        update = gp.initialize_update(self.domain.key_version, self.request.host_challenge)
        return select_domain.encode(), update.encode()

    def of(self, channel: Channel) -> Door:
        """This door, with the chip that the channel goes to."""
        return replace(self, chip=channel.initialize_update_response[:CHIP_LENGTH])

    def require_level(self, least: int) -> Door:
        """This door; raises ChannelTooWeak unless it opens with every protection of the least level."""
        if self.domain.level & least != least:
            raise ChannelTooWeak
        return self


class Doors:
    """Finds the door of an element and, where its challenge can be predicted, opens it beforehand."""

    def __init__(self, domains: SecurityDomains, hsm: Hsm) -> None:
        self._domains = domains
        self._hsm = hsm

    def find(
        self, element: ElementInfo | None, order: IssuanceOrder, host_challenge: bytes | None = None
    ) -> Door:
        """The door of the element that the order is for; raises the errors of SecurityDomains and those above."""
        if element is None:
            raise ElementMissing
        if element.se_id != order.se_id:
            raise ElementDiffers
        domain = self._domains.find(element.sd_aid, element.key_version, int(element.scp), element.i)
        keys = KeySetRef(
            domain.issuer, domain.version, domain.algorithm, Diversification(domain.diversification)
        )
        challenge = host_challenge or self._hsm.random(8)
        request = ChannelRequest(keys, ScpVariant(domain.scp, domain.i), domain.level, challenge, domain.aid)
        return Door(order.caller_id, element, domain, request)

    def predict(self, door: Door, opening: Opening) -> tuple[Channel, bytes] | None:
        """The channel before the element has answered, with its EXTERNAL AUTHENTICATE; None when nothing tells."""
        read = _sequence(opening)
        derivation = _derivation_data(opening)
        sequence = door.domain.predicted_sequence(read) if read is not None else None
        if sequence is None or derivation is None:
            return None
        return self._hsm.predict_channel(door.request, derivation, sequence)


def require_unblocked(tx: Connection, door: Door) -> None:
    """Raise ChannelBlocked after two refused openings in a row, or five of which some were never told of."""
    counts = tx.execute(
        select(channel_opening.c.failed, channel_opening.c.pending).where(_is(door)).with_for_update()
    ).one_or_none()
    if counts is not None and (counts.failed >= MAX_FAILED or counts.failed + counts.pending >= MAX_UNTOLD):
        raise ChannelBlocked


def trying(tx: Connection, door: Door, now: datetime) -> None:
    """EXTERNAL AUTHENTICATE is about to leave: it counts until a report tells how it went. Raises ChannelBlocked."""
    tx.execute(insert_or_skip(tx, channel_opening).values(**_key(door), failed=0, pending=0, updated_at=now))
    require_unblocked(tx, door)
    _change(tx, door, now, pending=channel_opening.c.pending + 1)


def failed(tx: Connection, door: Door, now: datetime) -> None:
    """The security domain refused an opening that was counted when it left, if nobody has cleared the count since."""
    untold = channel_opening.c.pending
    _change(
        tx, door, now, failed=channel_opening.c.failed + 1, pending=case((untold > 0, untold - 1), else_=0)
    )


def opened(tx: Connection, door: Door, now: datetime) -> None:
    """An opening that works clears the count."""
    _change(tx, door, now, failed=0, pending=0)


def _change(tx: Connection, door: Door, now: datetime, **changes: object) -> None:
    tx.execute(channel_opening.update().where(_is(door)).values(**changes, updated_at=now))


def _key(door: Door) -> dict[str, object]:
    return {
        "caller_id": door.caller_id,
        "se_id": door.element.se_id,
        "sd_aid": door.domain.aid.hex(),
        "key_version": door.domain.key_version,
    }


def _is(door: Door) -> ColumnElement[bool]:
    return and_(*(channel_opening.c[name] == value for name, value in _key(door).items()))


def _sequence(opening: Opening) -> bytes | None:
    """The sequence counter: as the caller states it, or as GET DATA 00C1 showed it (a TLV C1)."""
    if opening.element is not None and opening.element.sequence is not None:
        return opening.element.sequence
    return _value(opening, gp.SEQUENCE_COUNTER)


def _derivation_data(opening: Opening) -> bytes | None:
    found = _value(opening, KEY_DERIVATION_DATA)
    return found if found is not None and len(found) == CHIP_LENGTH else None


def _value(opening: Opening, tag: int) -> bytes | None:
    answer = opening.collected(gp.get_data(tag).encode())
    if answer is None or not answer.sw.is_success or len(answer.data) < 2:
        return None
    value = answer.data[2:]
    fits = answer.data[0] == tag and answer.data[1] == len(value)
    return value if fits else None
