"""Opening a security domain: predicted where the element allows it (how often it is tried: `ota.issuance.openings`)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from ota.card.globalplatform import commands as gp
from ota.card.security_domains import SecurityDomain, SecurityDomains
from ota.core.errors import CardProblem, NextAction
from ota.dialogue.element import ElementInfo, Opening
from ota.hsm_adapter.channel import Channel, ChannelRequest, ScpVariant
from ota.hsm_adapter.keys import Diversification, KeySetRef
from ota.hsm_adapter.ports import Hsm
from ota.issuance.orders import IssuanceOrder

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
        return self.of_element(element, order.caller_id, order.se_id, host_challenge)

    def of_element(
        self, element: ElementInfo | None, caller_id: str, se_id: str, host_challenge: bytes | None = None
    ) -> Door:
        """The door of an element that a wallet has this name for; raises what `find` raises."""
        if element is None:
            raise ElementMissing
        if element.se_id != se_id:
            raise ElementDiffers
        domain = self._domains.find(element.sd_aid, element.key_version, int(element.scp), element.i)
        keys = KeySetRef(
            domain.issuer, domain.version, domain.algorithm, Diversification(domain.diversification)
        )
        challenge = host_challenge or self._hsm.random(8)
        request = ChannelRequest(keys, ScpVariant(domain.scp, domain.i), domain.level, challenge, domain.aid)
        return Door(caller_id, element, domain, request)

    def predict(self, door: Door, opening: Opening) -> tuple[Channel, bytes] | None:
        """The channel before the element has answered, with its EXTERNAL AUTHENTICATE; None when nothing tells."""
        read = _sequence(opening)
        derivation = _derivation_data(opening)
        sequence = door.domain.predicted_sequence(read) if read is not None else None
        if sequence is None or derivation is None:
            return None
        return self._hsm.predict_channel(door.request, derivation, sequence)


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
