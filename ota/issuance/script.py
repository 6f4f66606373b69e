"""The commands that make a card of an empty element, in order: cleared, installed, personalised, read back, proven."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from ota.card import purse, reading
from ota.card.apdu import Command
from ota.card.batch import BatchCommand
from ota.card.keys import Algorithm, KeyRole
from ota.card.perso import (
    ApplicationPerso,
    CardValues,
    Grouping,
    KeysToFill,
    deletion,
    fill,
    personalisation,
    store_data,
)
from ota.card.product import Product
from ota.card.read_back import Expectation, read_back
from ota.card.status import StatusPattern
from ota.cities.profile import City
from ota.core.values import CardNumber, Fen, TerminalNumber
from ota.hsm_adapter.channel import Channel
from ota.hsm_adapter.ports import Hsm
from ota.issuance.orders import IssuanceOrder

ABSENT_IS_FINE: Final = StatusPattern("9000|6A88|6A82")
DONE: Final = StatusPattern("9000")
ANYTHING: Final = StatusPattern("....")
MAC_LENGTH: Final = 8
CIPHER_BLOCK: Final = 16
"""What a channel adds to a command's data: an 8-byte C-MAC, and padding to AES blocks with at least one byte."""

PROOF_AMOUNT: Final = Fen(1)
"""INITIALIZE FOR LOAD changes nothing (CARD.md 6, 1): its MAC1 proves number and load key of a new card."""


@dataclass(frozen=True, slots=True)
class Secured:
    """A command that goes through the channel, what may answer it, and which step it belongs to."""

    command: Command
    expect: StatusPattern
    note: str


class Script:
    """The commands of one order. Made again from the order whenever they are needed; nothing of it is stored.

    ``key_versions`` are those of a build under way: a card gets all its keys from one generation, also where the city
    turns to a newer one between two batches. None: the newest.
    """

    def __init__(
        self,
        order: IssuanceOrder,
        city: City,
        product: Product,
        max_apdu: int,
        key_versions: Mapping[Algorithm, int] | None = None,
    ) -> None:
        self._product = product
        self._city = city
        self._card = order.card
        room = (max_apdu - MAC_LENGTH) // CIPHER_BLOCK * CIPHER_BLOCK - 1
        self._max_data = min(product.max_store_data, room)
        self.key_versions = key_versions or city.newest_key_versions
        self.values: CardValues = city.card_values(order.card, product, order.issued_on, self.key_versions)

    @property
    def minimum_level(self) -> int:
        """The least security level of a channel that this card may be written through."""
        return self._product.minimum_level

    @property
    def card(self) -> CardNumber:
        """The number of the card that is made."""
        return self._card

    def clear(self) -> list[Secured]:
        """DELETE whatever an earlier order left."""
        return [
            Secured(command, ABSENT_IS_FINE, "DELETE") for command in deletion(self._product, self.values)
        ]

    def build(self, hsm: Hsm, channel: Channel) -> list[Secured]:
        """Clear, install and personalise; the card's keys are enciphered for this channel."""
        applications = personalisation(self._product, self.values)
        commands = self.clear()
        for application in applications:
            commands += [Secured(command, DONE, "INSTALL") for command in application.installs]
        for application in applications:
            commands += self._personalise(application, hsm, channel)
        return commands

    def readings(self) -> tuple[Expectation, ...]:
        """What a reader would ask, and what it must find."""
        return read_back(self._product, self.values)

    def read_commands(self, expect: StatusPattern | None = None) -> list[BatchCommand]:
        """The readings as they are sent."""
        return [
            BatchCommand(known.command.encode(), expect or known.status, f"read: {known.name}")
            for known in self.readings()
        ]

    def proof_commands(self, nonce: TerminalNumber, expect: StatusPattern = DONE) -> list[BatchCommand]:
        """SELECT the purse and INITIALIZE FOR LOAD with a nonce as terminal number."""
        select = reading.select_name(self._product.purse.select.render({}))
        ask = purse.initialize_for_load(self._product.purse.key_index, PROOF_AMOUNT, nonce.to_bytes())
        return [
            BatchCommand(select.encode(), expect, "SELECT purse"),
            BatchCommand(ask.encode(), expect, "INITIALIZE FOR LOAD"),
        ]

    def _personalise(self, application: ApplicationPerso, hsm: Hsm, channel: Channel) -> list[Secured]:
        groups = [
            self._fill(group, hsm, channel) if isinstance(group, KeysToFill) else group
            for group in application.groups
        ]
        note = f"STORE DATA {application.name}"
        return [
            Secured(application.begin, DONE, f"INSTALL [for personalization] {application.name}"),
            *(Secured(command, DONE, note) for command in store_data(groups, self._max_data)),
        ]

    def _fill(self, group: KeysToFill, hsm: Hsm, channel: Channel) -> Grouping:
        version = self.key_versions.get(group.algorithm)
        keys = [
            self._city.card_key(self._card, KeyRole(role), group.algorithm, version) for role in group.roles
        ]
        return fill(group, hsm.export_card_keys(keys, channel))


def wrapped(
    hsm: Hsm, channel: Channel, commands: Sequence[Secured]
) -> tuple[Channel, list[BatchCommand], list[str]]:
    """Protect commands; returns the channel after them, the commands as sent, and the tickets for their answers."""
    after, protected = hsm.wrap(channel, [secured.command for secured in commands])
    sent = [
        BatchCommand(item.apdu, secured.expect, secured.note)
        for secured, item in zip(commands, protected, strict=True)
    ]
    return after, sent, [item.ticket for item in protected]
