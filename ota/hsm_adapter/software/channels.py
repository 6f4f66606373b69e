"""Secure channels: opening, wrapping and unwrapping with keys that live only inside one call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
from ota.hsm_adapter.errors import CardCryptogramWrong, ChannelMismatch, PredictionMissed, ResponseMacWrong
from ota.hsm_adapter.software import session02, session03
from ota.hsm_adapter.software.diversify import StaticKeys, static_keys
from ota.hsm_adapter.software.session02 import Scp02Session
from ota.hsm_adapter.software.session03 import Scp03Session

if TYPE_CHECKING:
    from ota.card.keys import KeyRole

Masters = Mapping["KeyRole", bytearray]
Session = Scp02Session | Scp03Session

_SESSIONS: Final[Mapping[int, type[Session]]] = {SCP02: Scp02Session, SCP03: Scp03Session}
_CHALLENGES: Final = {SCP02: session02.card_challenge, SCP03: session03.card_challenge}
_SEQUENCE_LENGTH: Final = {SCP02: 2, SCP03: 3}
_NO_CRYPTOGRAM: Final = bytes(8)


def open_channel(masters: Masters, request: ChannelRequest, response: bytes) -> tuple[Channel, bytes]:
    """Check the card's cryptogram and make EXTERNAL AUTHENTICATE; raises what `Hsm.open_channel` raises."""
    answer = _requested_answer(request, response)
    with _session(masters, request, answer) as session:
        if not compare_digest(session.card_cryptogram(), answer.card_cryptogram):
            raise CardCryptogramWrong
        return _authenticate(session, request, response)


def predict_channel(
    masters: Masters, request: ChannelRequest, diversification_data: bytes, sequence: bytes
) -> tuple[Channel, bytes]:
    """The same from the answer that the card will give at this counter."""
    if not request.scp.is_predictable:
        raise InvalidValue("scp", "a variant whose card challenge follows from its counter")
    if len(diversification_data) != DIVERSIFICATION_LENGTH:
        raise InvalidValue("key_diversification_data", f"{DIVERSIFICATION_LENGTH} bytes")
    if len(sequence) != _SEQUENCE_LENGTH[request.scp.protocol]:
        raise InvalidValue("sequence", f"{_SEQUENCE_LENGTH[request.scp.protocol]} bytes for {request.scp}")
    answer = InitializeUpdateAnswer(
        diversification_data=diversification_data,
        key_version=request.stated_version,
        protocol=request.scp.protocol,
        i=request.scp.i if request.scp.protocol == SCP03 else None,
        sequence=sequence,
        card_challenge=b"",
        card_cryptogram=_NO_CRYPTOGRAM,
    )
    static = static_keys(request.keys.diversification, masters, diversification_data)
    challenge = _CHALLENGES[request.scp.protocol](static, sequence, request.security_domain)
    answer = replace(answer, card_challenge=challenge)
    with _opened(static, request, answer) as session:
        answer = replace(answer, card_cryptogram=session.card_cryptogram())
        return _authenticate(session, request, answer.encode())


def confirm_prediction(channel: Channel, response: bytes) -> None:
    """Compare the card's real answer with the one that the channel was opened on; no key is needed."""
    real = _requested_answer(channel.request, response)
    predicted = parse_answer(channel.request.scp, channel.initialize_update_response)
    if replace(real, card_cryptogram=predicted.card_cryptogram) != predicted:
        raise PredictionMissed
    if not compare_digest(real.card_cryptogram, predicted.card_cryptogram):
        raise CardCryptogramWrong


def wrap(
    masters: Masters, channel: Channel, commands: Sequence[Command]
) -> tuple[Channel, list[WrappedCommand]]:
    """Protect commands one after another; the keys are derived once for all."""
    level = channel.request.level
    for command in commands:
        check_length(channel.request.scp, level, command)
    chaining, counter = channel.chaining, channel.counter
    wrapped = []
    with resumed(masters, channel) as session:
        for command in commands:
            counter += 1
            on_wire, chaining = session.protect(command, level, chaining, counter)
            wrapped.append(WrappedCommand(on_wire.encode(), _ticket(counter, chaining)))
    return replace(channel, chaining=chaining, counter=counter), wrapped


def unwrap(masters: Masters, channel: Channel, ticket: str, response: bytes) -> bytes:
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
    with resumed(masters, channel) as session:
        scp03 = cast(Scp03Session, session)  # no variant of SCP02 here has a level with R-MAC
        plain = scp03.unprotect(answer, channel.request.level, chaining, counter)
    return plain + answer.sw.to_bytes()


def _authenticate(session: Session, request: ChannelRequest, response: bytes) -> tuple[Channel, bytes]:
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


def resumed(masters: Masters, channel: Channel) -> SessionScope:
    """The session of an open channel, derived again."""
    answer = parse_answer(channel.request.scp, channel.initialize_update_response)
    return _session(masters, channel.request, answer)


def _session(masters: Masters, request: ChannelRequest, answer: InitializeUpdateAnswer) -> SessionScope:
    static = static_keys(request.keys.diversification, masters, answer.diversification_data)
    return _opened(static, request, answer)


def _opened(static: StaticKeys, request: ChannelRequest, answer: InitializeUpdateAnswer) -> SessionScope:
    session = _SESSIONS[request.scp.protocol](static, request.host_challenge, answer)
    static.wipe()
    return SessionScope(session)


class SessionScope:
    """Hands out a session and wipes its keys at the end of the block."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def __enter__(self) -> Session:
        return self._session

    def __exit__(self, *_: object) -> None:
        self._session.wipe()


def _ticket(counter: int, chaining: bytes) -> str:
    return f"{counter}.{chaining.hex()}"


def _read_ticket(channel: Channel, ticket: str) -> tuple[int, bytes]:
    number, dot, chaining = ticket.partition(".")
    if not dot or not number.isdecimal() or not number.isascii() or len(number) > 10:
        raise InvalidValue("ticket", "the ticket of a wrapped command")
    value = from_hex("ticket", chaining)
    if len(value) != len(channel.chaining):
        raise InvalidValue("ticket", "the ticket of a wrapped command")
    return int(number), value
