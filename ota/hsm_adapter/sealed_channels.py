"""Channels that were stored between two exchanges are used only as they were written, and for the order they were made for.

Whoever writes to the database could otherwise have commands protected under a level, a counter and a chaining value of
their choice, or an old answer taken for a new one (ADR 0038).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from hmac import compare_digest
from typing import TYPE_CHECKING, Final

from ota.hsm_adapter.errors import ChannelAltered
from ota.hsm_adapter.ports import Channel, WrappedCommand
from ota.hsm_adapter.trail import current_subject

if TYPE_CHECKING:
    from ota.card.apdu import Command
    from ota.card.purse import Load
    from ota.core.values import Mac4
    from ota.hsm_adapter.errors import Mac1Wrong
    from ota.hsm_adapter.keys import CardKey
    from ota.hsm_adapter.ports import Capabilities, ChannelRequest, ExportedKey, Health, Hsm, KeyWriting
    from ota.hsm_adapter.software.kek import Stamp

PURPOSE: Final = "channel"
_TICKET_SEAL: Final = 16


class SealedChannels:
    """An `Hsm` whose channels and tickets carry a seal, and that takes none without its own.

    A seal covers the order for which the channel is used (`ota.hsm_adapter.trail.on_behalf_of`). Whatever takes a
    channel raises ChannelAltered.
    """

    def __init__(self, hsm: Hsm, stamp: Stamp) -> None:
        self._hsm = hsm
        self._stamp = stamp

    def open_channel(
        self, request: ChannelRequest, initialize_update_response: bytes
    ) -> tuple[Channel, bytes]:
        """See `Hsm`."""
        channel, command = self._hsm.open_channel(request, initialize_update_response)
        return self._sealed(channel), command

    def predict_channel(
        self, request: ChannelRequest, key_diversification_data: bytes, sequence: bytes
    ) -> tuple[Channel, bytes]:
        """See `Hsm`."""
        channel, command = self._hsm.predict_channel(request, key_diversification_data, sequence)
        return self._sealed(channel), command

    def confirm_prediction(self, channel: Channel, initialize_update_response: bytes) -> None:
        """See `Hsm`."""
        self._check(channel)
        self._hsm.confirm_prediction(channel, initialize_update_response)

    def wrap(self, channel: Channel, commands: Sequence[Command]) -> tuple[Channel, list[WrappedCommand]]:
        """See `Hsm`."""
        self._check(channel)
        after, wrapped = self._hsm.wrap(channel, commands)
        return self._sealed(after), [
            WrappedCommand(each.apdu, f"{each.ticket}.{self._ticket_seal(channel, each.ticket)}")
            for each in wrapped
        ]

    def unwrap(self, channel: Channel, ticket: str, response: bytes) -> bytes:
        """See `Hsm`."""
        self._check(channel)
        plain, _, seal = ticket.rpartition(".")
        if not compare_digest(self._ticket_seal(channel, plain).encode(), seal.encode()):
            raise ChannelAltered
        return self._hsm.unwrap(channel, plain, response)

    def export_card_key(self, key: CardKey, under: Channel) -> ExportedKey:
        """See `Hsm`."""
        self._check(under)
        return self._hsm.export_card_key(key, under)

    def export_card_keys(self, keys: Sequence[CardKey], under: Channel) -> list[ExportedKey]:
        """See `Hsm`."""
        self._check(under)
        return self._hsm.export_card_keys(keys, under)

    def check_mac1(self, key: CardKey, load: Load) -> None:
        """See `Hsm`."""
        self._hsm.check_mac1(key, load)

    def require_authorising(self, key: CardKey) -> None:
        """See `Hsm`."""
        self._hsm.require_authorising(key)

    def authorise_load(self, key: CardKey, load: Load) -> Mac4:
        """See `Hsm`."""
        return self._hsm.authorise_load(key, load)

    def authorise_loads(self, requests: Sequence[tuple[CardKey, Load]]) -> list[Mac4 | Mac1Wrong]:
        """See `Hsm`."""
        return self._hsm.authorise_loads(requests)

    def verify_tac(self, key: CardKey, load: Load, tac: Mac4) -> None:
        """See `Hsm`."""
        self._hsm.verify_tac(key, load, tac)

    def secure_apdu(self, key: CardKey, random: bytes, command: Command) -> Command:
        """See `Hsm`."""
        return self._hsm.secure_apdu(key, random, command)

    def write_key(self, key: CardKey, under: CardKey, random: bytes, writing: KeyWriting) -> Command:
        """See `Hsm`."""
        return self._hsm.write_key(key, under, random, writing)

    def external_auth(self, key: CardKey, random: bytes) -> bytes:
        """See `Hsm`."""
        return self._hsm.external_auth(key, random)

    def kcv(self, key: CardKey) -> bytes:
        """See `Hsm`."""
        return self._hsm.kcv(key)

    def random(self, length: int) -> bytes:
        """See `Hsm`."""
        return self._hsm.random(length)

    def health(self) -> Health:
        """See `Hsm`."""
        return self._hsm.health()

    def capabilities(self) -> Capabilities:
        """See `Hsm`."""
        return self._hsm.capabilities()

    def _sealed(self, channel: Channel) -> Channel:
        return replace(channel, seal=self._seal(channel))

    def _check(self, channel: Channel) -> None:
        if not compare_digest(self._seal(channel), channel.seal):
            raise ChannelAltered

    def _seal(self, channel: Channel) -> bytes:
        state = replace(channel, seal=b"").to_json()
        return self._stamp.of(json.dumps(["channel", current_subject(), state]).encode())

    def _ticket_seal(self, channel: Channel, ticket: str) -> str:
        """16 bytes in hexadecimal over the ticket, and over what is the same as long as the channel is open."""
        opened = (channel.request.host_challenge.hex(), channel.initialize_update_response.hex())
        content = json.dumps(["ticket", current_subject(), *opened, ticket]).encode()
        return self._stamp.of(content)[:_TICKET_SEAL].hex()
