"""Vectors of secure channels: recorded sessions with their session keys, wrapped commands and answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from ota.card.apdu import Command
from ota.card.globalplatform.answer import InitializeUpdateAnswer, parse_answer
from ota.card.globalplatform.commands import initialize_update
from ota.card.globalplatform.variant import SCP02, SCP03, ScpVariant
from ota.card.keys import Algorithm, KeyRole
from ota.hsm_adapter.channel import Channel, ChannelRequest, WrappedCommand
from ota.hsm_adapter.keys import Diversification, KeySetRef
from ota.hsm_adapter.software import SoftwareHsm
from ota.hsm_adapter.software.diversify import StaticKeys
from ota.hsm_adapter.software.memory import PublishedKeys
from ota.hsm_adapter.software.session02 import Scp02Session
from ota.hsm_adapter.software.session03 import Scp03Session
from ota.sandbox.vectors.reading import Failure, Vector

_SOME_DOMAIN: Final = bytes.fromhex("A000000151000000")  # an open channel does not depend on the AID
_SUCCESS: Final = bytes.fromhex("9000")
_AES_BY_LENGTH: Final = {16: Algorithm.AES128, 24: Algorithm.AES192, 32: Algorithm.AES256}
_SCP02_I: Final = 0x15  # the answer does not tell; i=55 differs only in how the card chose its challenge
_SCP03_I_OFFSET: Final = 12


@dataclass(frozen=True, slots=True)
class _Opening:
    """What opened the session: its variant, the host challenge, the answer, the keys in order ENC, MAC, DEK."""

    variant: ScpVariant
    host_challenge: bytes
    response: bytes
    algorithm: Algorithm
    keys: tuple[bytes, bytes, bytes]

    @property
    def answer(self) -> InitializeUpdateAnswer:
        return parse_answer(self.variant, self.response)

    @property
    def static(self) -> StaticKeys:
        return StaticKeys(*(bytearray(key) for key in self.keys))


def check_scp02(vector: Vector) -> None:
    """A session of SCP02: the card cryptogram and every field that is there."""
    variant = ScpVariant(SCP02, vector.number("i") if vector.has("i") else _SCP02_I)
    opening = _opening(vector, variant, Algorithm.TDES)
    if vector.has("session"):
        session = Scp02Session(opening.static, opening.host_challenge, opening.answer)
        part = vector.part("session")
        part.same("enc", session.enc)
        part.same("mac", session.mac)
        if part.has("dek"):
            vector.data("dek")  # the session's comes from it
        part.same("dek", session.dek)
    _check_traffic(vector, opening)


def check_scp03(vector: Vector) -> None:
    """A session of SCP03: the card cryptogram and every field that is there."""
    response = vector.data("initialize_update_response")
    if len(response) <= _SCP03_I_OFFSET:
        raise Failure("initialize_update_response: expected 29 or 32 bytes")
    algorithm = _AES_BY_LENGTH.get(len(vector.data("enc")))
    if algorithm is None:
        raise Failure("enc: expected 16, 24 or 32 bytes")
    opening = _opening(vector, ScpVariant(SCP03, response[_SCP03_I_OFFSET]), algorithm)
    if vector.has("session"):
        session = Scp03Session(opening.static, opening.host_challenge, opening.answer)
        part = vector.part("session")
        part.same("enc", session.enc)
        part.same("mac", session.mac)
        part.same("rmac", session.rmac)
    _check_traffic(vector, opening)


def _opening(vector: Vector, variant: ScpVariant, algorithm: Algorithm) -> _Opening:
    length = algorithm.key_length
    enc, mac = vector.data("enc", length), vector.data("mac", length)
    dek = vector.data("dek", length) if vector.has("dek") else enc  # opening and wrapping do not need it
    sent = Command.parse(vector.data("initialize_update"))
    if sent.encode()[:13] != initialize_update(sent.p1, sent.data).encode()[:13]:
        raise Failure("initialize_update: expected 8050, key version, 00, 08 and a host challenge")
    response = vector.data("initialize_update_response")
    return _Opening(variant, sent.data, response, algorithm, (enc, mac, dek))


def _check_traffic(vector: Vector, opening: _Opening) -> None:
    hsm, request = _request(vector, opening)
    channel, authenticate = hsm.open_channel(request, opening.response)
    vector.holds(
        "initialize_update_response", outcome=True
    )  # the card cryptogram held, or this were not reached
    vector.same("external_authenticate", authenticate)
    channel, wrapped = _check_commands(vector, hsm, channel)
    _check_responses(vector, hsm, channel, wrapped)


def _check_commands(
    vector: Vector, hsm: SoftwareHsm, channel: Channel
) -> tuple[Channel, list[WrappedCommand]]:
    parts = vector.parts("commands")
    channel, wrapped = hsm.wrap(channel, [Command.parse(part.data("plain")) for part in parts])
    for part, command in zip(parts, wrapped, strict=True):
        part.same("wrapped", command.apdu)
    return channel, wrapped


def _check_responses(
    vector: Vector, hsm: SoftwareHsm, channel: Channel, wrapped: list[WrappedCommand]
) -> None:
    for part in vector.parts("responses"):
        number = part.number("cmd")
        if not 0 <= number < len(wrapped):
            raise Failure("responses: cmd names a command that is not there")
        sw = part.data("sw", 2) if part.has("sw") else _SUCCESS
        plain = hsm.unwrap(channel, wrapped[number].ticket, part.data("wrapped") + sw)
        part.same("plain", plain[:-2])


def _request(vector: Vector, opening: _Opening) -> tuple[SoftwareHsm, ChannelRequest]:
    version = opening.answer.key_version
    keys = KeySetRef("vectors", version, opening.algorithm, Diversification.NONE)
    request = ChannelRequest(
        keys=keys,
        scp=opening.variant,
        level=_level(vector),
        host_challenge=opening.host_challenge,
        security_domain=_SOME_DOMAIN,
    )
    roles = (KeyRole.SD_ENC, KeyRole.SD_MAC, KeyRole.SD_DEK)
    return SoftwareHsm(
        PublishedKeys(dict(zip((keys.key(role) for role in roles), opening.keys, strict=True)))
    ), request


def _level(vector: Vector) -> int:
    """The level of the session: told, or as EXTERNAL AUTHENTICATE asked for it; C-MAC where nothing tells."""
    if vector.has("level"):
        return vector.number("level")
    return (
        Command.parse(vector.data("external_authenticate")).p1 if vector.has("external_authenticate") else 1
    )
