"""One turn of an issuance's conversation: the order, the element's door, and the report under way."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, replace

from ota.card.apdu import Response
from ota.card.batch import Batch, BatchCommand, Checked
from ota.core.values import TerminalNumber
from ota.dialogue.plan import Talk
from ota.hsm_adapter.channel import Channel
from ota.hsm_adapter.ports import Hsm
from ota.issuance.channels import Door
from ota.issuance.orders import IssuanceOrder
from ota.issuance.script import Script
from ota.issuance.service import view
from ota.issuance.states import IssuanceState
from ota.issuance.work import Phase, Work


@dataclass(frozen=True, slots=True)
class Visit:
    """A contact with the element that an order is for."""

    talk: Talk
    order: IssuanceOrder
    door: Door
    script: Script
    applications: list[str]

    def meeting(self, channel: Channel) -> Visit:
        """This contact, with the chip that the channel goes to."""
        return replace(self, door=self.door.of(channel))

    @property
    def outcome(self) -> dict[str, object]:
        """The order as a session's ending shows it."""
        return view(self.order, self.applications)


@dataclass(frozen=True, slots=True)
class Turn:
    """A report that came back during a visit."""

    visit: Visit
    work: Work
    batch: Batch
    report: Checked

    @property
    def is_called_off(self) -> bool:
        """Whether the order was called off while this batch, which goes on making the card, was under way."""
        return self.visit.order.state is IssuanceState.ROLLING_BACK and not self.is_clearing

    @property
    def is_clearing(self) -> bool:
        """Whether this batch takes a card off the element."""
        return self.work.phase in (Phase.CLEAR_KNOCK, Phase.CLEAR)

    @property
    def got_in(self) -> bool:
        """Whether this batch began with EXTERNAL AUTHENTICATE, and the card took it."""
        knocking = self.work.phase not in (Phase.BUILD, Phase.CLEAR)
        answer = None if knocking else self.report.response(self.work.lead)
        return answer is not None and answer.sw.is_success

    @property
    def secured(self) -> tuple[Response, ...]:
        """The answers to the commands that went through the channel, as far as there are any."""
        return self.report.responses[self.work.lead : self.work.lead + len(self.work.tickets)]

    def unwrap(self, hsm: Hsm) -> None:
        """Check every answer that came through the channel; raises ResponseMacWrong."""
        for ticket, answer in zip(self.work.tickets, self.secured, strict=False):
            assert self.work.channel is not None  # noqa: S101  tickets come from a channel
            hsm.unwrap(self.work.channel, ticket, answer.encode())

    @property
    def stopped(self) -> tuple[BatchCommand, Response]:
        """The last command that was answered, and its answer."""
        return self.batch.commands[len(self.report.responses) - 1], self.report.responses[-1]


def knock(door: Door) -> tuple[BatchCommand, ...]:
    """SELECT the security domain and INITIALIZE UPDATE, as they are sent."""
    select, update = door.knock
    return BatchCommand(select, note="SELECT security domain"), BatchCommand(update, note="INITIALIZE UPDATE")


def authenticate(apdu: bytes) -> tuple[BatchCommand, ...]:
    """EXTERNAL AUTHENTICATE, as it is sent."""
    return (BatchCommand(apdu, note="EXTERNAL AUTHENTICATE"),)


def fresh_nonce() -> TerminalNumber:
    """A terminal number that no answer of the past fits."""
    return TerminalNumber(f"{secrets.randbelow(10**12):012d}")
