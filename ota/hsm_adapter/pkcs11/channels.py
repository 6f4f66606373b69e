"""Secure channels whose keys never leave the token: opening, wrapping, unwrapping, exporting."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from hmac import compare_digest
from typing import TYPE_CHECKING, Final, cast

from ota.card.apdu import Command, Response, from_hex
from ota.card.globalplatform.answer import DIVERSIFICATION_LENGTH, InitializeUpdateAnswer, parse_answer
from ota.card.globalplatform.protection import MAC_LENGTH, check_length
from ota.card.globalplatform.scp03 import is_protected
from ota.card.globalplatform.variant import R_MAC, SCP02, SCP03
from ota.core.errors import InvalidValue
from ota.hsm_adapter.channel import Channel, ChannelRequest, WrappedCommand
from ota.hsm_adapter.errors import CardCryptogramWrong, ChannelMismatch, ResponseMacWrong
from ota.hsm_adapter.pkcs11 import session02, session03
from ota.hsm_adapter.pkcs11.diversify import static_keys
from ota.hsm_adapter.pkcs11.session02 import Scp02Session
from ota.hsm_adapter.pkcs11.session03 import Scp03Session

if TYPE_CHECKING:
    from ota.hsm_adapter.keys import CardKey
    from ota.hsm_adapter.pkcs11.cardkeys import CardKeys
    from ota.hsm_adapter.ports import ExportedKey

Session = Scp02Session | Scp03Session

_SEQUENCE_LENGTH: Final = {SCP02: 2, SCP03: 3}
_NO_CRYPTOGRAM: Final = bytes(8)


def open_channel(keys: CardKeys, request: ChannelRequest, response: bytes) -> tuple[Channel, bytes]:
    """Check the card's cryptogram and make EXTERNAL AUTHENTICATE; raises what `Hsm.open_channel` raises."""
    answer = _requested_answer(request, response)
    session = _session(keys, request, answer)
    if not compare_digest(session.card_cryptogram(), answer.card_cryptogram):
        raise CardCryptogramWrong
    return _authenticated(session, request, response)


def predict_channel(
    keys: CardKeys, request: ChannelRequest, diversification_data: bytes, sequence: bytes
) -> tuple[Channel, bytes]:
    """The same from the answer that the card will give at this counter."""
    protocol = request.scp.protocol
    if not request.scp.is_predictable:
        raise InvalidValue("scp", "a variant whose card challenge follows from its counter")
    if len(diversification_data) != DIVERSIFICATION_LENGTH:
        raise InvalidValue("key_diversification_data", f"{DIVERSIFICATION_LENGTH} bytes")
    if len(sequence) != _SEQUENCE_LENGTH[protocol]:
        raise InvalidValue("sequence", f"{_SEQUENCE_LENGTH[protocol]} bytes for {request.scp}")
    masters = keys.domain(request.keys)
    static = static_keys(keys.token, request.keys.diversification, masters, diversification_data)
    challenge = session02.card_challenge if protocol == SCP02 else session03.card_challenge
    answer = InitializeUpdateAnswer(
        diversification_data=diversification_data,
        key_version=request.stated_version,
        protocol=protocol,
        i=request.scp.i if protocol == SCP03 else None,
        sequence=sequence,
        card_challenge=challenge(keys.token, static, sequence, request.security_domain),
        card_cryptogram=_NO_CRYPTOGRAM,
    )
    session = _session(keys, request, answer)
    answer = replace(answer, card_cryptogram=session.card_cryptogram())
    return _authenticated(session, request, answer.encode())


def wrap(
    keys: CardKeys, channel: Channel, commands: Sequence[Command]
) -> tuple[Channel, list[WrappedCommand]]:
    """Protect commands one after another."""
    level = channel.request.level
    for command in commands:
        check_length(channel.request.scp, level, command)
    chaining, counter = channel.chaining, channel.counter
    wrapped = []
    session = _resumed(keys, channel)
    for command in commands:
        counter += 1
        on_wire, chaining = session.protect(command, level, chaining, counter)
        wrapped.append(WrappedCommand(on_wire.encode(), f"{counter}.{chaining.hex()}"))
    return replace(channel, chaining=chaining, counter=counter), wrapped


def unwrap(keys: CardKeys, channel: Channel, ticket: str, response: bytes) -> bytes:
    """Plain data and status word of one answer; raises ResponseMacWrong, InvalidValue for a strange ticket."""
    counter, chaining = _read_ticket(channel, ticket)
    answer = Response.parse(response)
    if not channel.request.level & R_MAC:
        return response
    if not is_protected(answer.sw):
        if answer.data:
            raise ResponseMacWrong  # an error speaks by its status word alone
        return response
    if len(answer.data) < MAC_LENGTH:
        raise ResponseMacWrong
    session = cast(Scp03Session, _resumed(keys, channel))  # no variant of SCP02 here has a level with R-MAC
    plain = session.unprotect(answer, channel.request.level, chaining, counter)
    return plain + answer.sw.to_bytes()


def export(keys: CardKeys, exported: Sequence[CardKey], under: Channel) -> list[ExportedKey]:
    """Card keys enciphered for the channel's security domain."""
    session = _resumed(keys, under)
    return [session.export(keys, key) for key in exported]


def _authenticated(session: Session, request: ChannelRequest, response: bytes) -> tuple[Channel, bytes]:
    command, chaining = session.authenticate(request.level)
    return Channel(request, response, chaining, 0), command.encode()


def _requested_answer(request: ChannelRequest, response: bytes) -> InitializeUpdateAnswer:
    """The answer, when it speaks of the protocol and the key version that were asked for."""
    answer = parse_answer(request.scp, response)
    if answer.protocol != request.scp.protocol:
        raise ChannelMismatch("protocol", f"SCP{request.scp.protocol:02d}")
    if answer.i is not None and answer.i != request.scp.i:
        raise ChannelMismatch("i", f"{request.scp.i:02X}")
    if answer.key_version != request.stated_version:
        raise ChannelMismatch("key version", f"{request.stated_version:02X}")
    return answer


def _resumed(keys: CardKeys, channel: Channel) -> Session:
    """The session of an open channel."""
    answer = parse_answer(channel.request.scp, channel.initialize_update_response)
    return _session(keys, channel.request, answer)


def _session(keys: CardKeys, request: ChannelRequest, answer: InitializeUpdateAnswer) -> Session:
    """The session's keys stay in the token for the commands and answers to come; they are derived again if not."""
    masters = keys.domain(request.keys)  # asked each time: a retired key opens nothing that it once opened
    token, scheme = keys.token, request.keys.diversification
    data, challenge = answer.diversification_data, request.host_challenge
    if request.scp.protocol == SCP02:
        made02 = token.kept(
            (request.keys, data, answer.sequence),
            lambda: session02.session_keys(token, static_keys(token, scheme, masters, data), answer.sequence),
        )
        return Scp02Session(token, made02, challenge, answer)
    context, length = challenge + answer.card_challenge, request.keys.algorithm.key_length
    made03 = token.kept(
        (request.keys, data, context),
        lambda: session03.session_keys(token, static_keys(token, scheme, masters, data), length, context),
    )
    return Scp03Session(token, made03, challenge, answer)


def _read_ticket(channel: Channel, ticket: str) -> tuple[int, bytes]:
    number, dot, chaining = ticket.partition(".")
    if not dot or not number.isdecimal() or not number.isascii() or len(number) > 10:
        raise InvalidValue("ticket", "the ticket of a wrapped command")
    value = from_hex("ticket", chaining)
    if len(value) != len(channel.chaining):
        raise InvalidValue("ticket", "the ticket of a wrapped command")
    return int(number), value
