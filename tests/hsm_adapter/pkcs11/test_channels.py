"""Channels with the virtual element, which shares no line with the product."""

from __future__ import annotations

from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, modes
from cryptography.hazmat.primitives.ciphers.algorithms import AES

from ota.card.apdu import Command
from ota.card.globalplatform import commands
from ota.card.globalplatform.protection import max_data
from ota.card.globalplatform.variant import ScpVariant
from ota.card.keys import Algorithm, KeyRole
from ota.core.errors import InvalidValue
from ota.hsm_adapter.channel import Channel
from ota.hsm_adapter.errors import (
    CardCryptogramWrong,
    ChannelMismatch,
    ExposureRefused,
    KeyMisuse,
    KeyNotUsable,
    KeyUnknown,
    PredictionMissed,
    ResponseMacWrong,
)
from ota.hsm_adapter.keys import Diversification, KeyRef, KeySetRef, KeyState
from ota.hsm_adapter.pkcs11 import Pkcs11Hsm, TokenPlace
from ota.hsm_adapter.pkcs11.errors import KeyNeedsPath
from ota.hsm_adapter.ports import Exposure
from tests.hsm_adapter import reference
from tests.hsm_adapter.elements import CASES, Case, Meeting
from tests.hsm_adapter.keyring import MASTER, PATH, card_key, key_ref
from tests.hsm_adapter.pkcs11.holders import hsm_of

STATUS = commands.get_status(commands.ISSUER_SECURITY_DOMAIN)
RECOGNITION = commands.get_data(commands.CARD_RECOGNITION_DATA)
ROLES = (KeyRole.SD_ENC, KeyRole.SD_MAC, KeyRole.SD_DEK)
FULL = Case(3, 0x70, Algorithm.AES128, 0x33)
SCP02 = Case(2, 0x55, Algorithm.TDES, 0x03)
PREDICTABLE = [case for case in CASES if ScpVariant(case.protocol, case.i).is_predictable]

cases = pytest.mark.parametrize("case", CASES, ids=str)


class TokenMeeting(Meeting):
    """The element meets a token that holds the masters of its keys."""

    hsm: Pkcs11Hsm  # type: ignore[assignment]  # the same port

    def __init__(
        self,
        place: TokenPlace,
        case: Case,
        *,
        maximum: Exposure = Exposure.NONE,
        state: KeyState = KeyState.ACTIVE,
        without: KeyRole | None = None,
        wrapping: bool = False,
    ) -> None:
        super().__init__(case)
        length = case.algorithm.key_length
        masters = {
            role: bytes(range(first, first + length))
            for role, first in zip(ROLES, (0x11, 0x51, 0x91), strict=True)
        }
        keys = {self.request.keys.key(role): value for role, value in masters.items() if role is not without}
        self.hsm = hsm_of(
            place, {**keys, key_ref(KeyRole.LOAD): MASTER}, maximum=maximum, state=state, wrapping=wrapping
        )


@cases
def test_an_independent_element_accepts_the_channel_and_its_commands(place: TokenPlace, case: Case) -> None:
    meeting = TokenMeeting(place, case)

    _, answers = meeting.exchange(meeting.open(), RECOGNITION, STATUS, RECOGNITION, STATUS)

    assert [answer[-2:].hex() for answer in answers] == ["9000"] * 4
    assert answers[0] == answers[2]
    assert answers[1] == answers[3]
    assert answers[0][0] == 0x66


@cases
def test_an_error_of_the_element_is_handed_on_bare(place: TokenPlace, case: Case) -> None:
    meeting = TokenMeeting(place, case)

    _, answers = meeting.exchange(
        meeting.open(), commands.delete(bytes.fromhex("D1560001580000")), RECOGNITION
    )

    assert answers[0].hex() == "6a88"
    assert answers[1][-2:].hex() == "9000"


@pytest.mark.parametrize("case", PREDICTABLE, ids=str)
def test_a_predicted_channel_is_the_one_that_the_element_opens(place: TokenPlace, case: Case) -> None:
    meeting = TokenMeeting(place, case)
    told = meeting.element.transmit(commands.get_data(commands.SEQUENCE_COUNTER).encode())[2:-2]
    length, step = (2, 0) if case.protocol == 2 else (3, 1)
    sequence = (int.from_bytes(told, "big") + step).to_bytes(length, "big")

    channel, authenticate = meeting.hsm.predict_channel(
        meeting.request, bytes.fromhex(meeting.element.se_id), sequence
    )

    meeting.hsm.confirm_prediction(channel, meeting.initialize_update())
    assert meeting.element.transmit(authenticate) == b"\x90\x00"


def test_a_missed_prediction_is_noticed(place: TokenPlace) -> None:
    meeting = TokenMeeting(place, FULL)
    channel, _ = meeting.hsm.predict_channel(meeting.request, meeting.initialize_update()[:10], bytes(3))

    with pytest.raises(PredictionMissed):
        meeting.hsm.confirm_prediction(channel, meeting.initialize_update())


@pytest.mark.parametrize(
    ("case", "diversification", "sequence", "named"),
    [
        (Case(3, 0x60, Algorithm.AES128, 0x33), bytes(10), bytes(3), "scp"),
        (FULL, bytes(9), bytes(3), "key_diversification_data"),
        (FULL, bytes(10), bytes(2), "sequence"),
        (SCP02, bytes(10), bytes(3), "sequence"),
    ],
)
def test_what_cannot_be_predicted_is_refused(
    place: TokenPlace, case: Case, diversification: bytes, sequence: bytes, named: str
) -> None:
    meeting = TokenMeeting(place, case)

    with pytest.raises(InvalidValue, match=named):
        meeting.hsm.predict_channel(meeting.request, diversification, sequence)


def test_a_long_aid_is_part_of_a_predicted_challenge(place: TokenPlace) -> None:
    """Sequence and AID then need a third block of the KDF's input; held against the software backend."""
    meeting, software = TokenMeeting(place, FULL), Meeting(FULL)
    request = replace(meeting.request, security_domain=bytes(range(16)))

    assert meeting.hsm.predict_channel(request, bytes(10), bytes(3)) == software.hsm.predict_channel(
        request, bytes(10), bytes(3)
    )


@pytest.mark.parametrize("case", [FULL, SCP02], ids=str)
def test_a_card_without_the_keys_is_refused(place: TokenPlace, case: Case) -> None:
    meeting = TokenMeeting(place, case)
    answer = bytearray(meeting.initialize_update())
    answer[-4 if case.protocol == 3 else -1] ^= 1

    with pytest.raises(CardCryptogramWrong):
        meeting.hsm.open_channel(meeting.request, bytes(answer))


@pytest.mark.parametrize(
    ("offset", "value", "field"), [(10, 0x7F, "key version"), (11, 0x02, "protocol"), (12, 0x60, "i")]
)
def test_an_answer_for_something_else_than_was_asked_is_refused(
    place: TokenPlace, offset: int, value: int, field: str
) -> None:
    meeting = TokenMeeting(place, FULL)
    answer = bytearray(meeting.initialize_update())
    answer[offset] = value

    with pytest.raises(ChannelMismatch) as refusal:
        meeting.hsm.open_channel(meeting.request, bytes(answer))

    assert refusal.value.details["field"] == field


@cases
def test_the_longest_data_that_fits_is_accepted_and_one_byte_more_refused(
    place: TokenPlace, case: Case
) -> None:
    meeting = TokenMeeting(place, case)
    channel = meeting.open()
    longest = max_data(meeting.request.scp, case.level)

    _, wrapped = meeting.hsm.wrap(channel, [Command(0x80, 0xE2, 0x08, 0x00, bytes(longest))])

    assert len(wrapped[0].apdu) <= 5 + 255
    with pytest.raises(InvalidValue, match=str(longest)):
        meeting.hsm.wrap(channel, [Command(0x80, 0xE2, 0x08, 0x00, bytes(longest + 1))])


@cases
def test_a_stored_channel_goes_on_where_it_was(place: TokenPlace, case: Case) -> None:
    meeting = TokenMeeting(place, case)
    channel, _ = meeting.exchange(meeting.open(), RECOGNITION)

    _, answers = meeting.exchange(Channel.from_json(channel.to_json()), STATUS)

    assert answers[0][-2:].hex() == "9000"


@pytest.mark.parametrize("byte", [0, 5, -9, -3, -1])
def test_an_altered_answer_is_not_believed(place: TokenPlace, byte: int) -> None:
    meeting = TokenMeeting(place, FULL)
    channel, wrapped = meeting.hsm.wrap(meeting.open(), [RECOGNITION])
    answer = bytearray(meeting.element.transmit(wrapped[0].apdu))
    answer[byte if byte >= 0 else byte - 2] ^= 1

    with pytest.raises(ResponseMacWrong):
        meeting.hsm.unwrap(channel, wrapped[0].ticket, bytes(answer))


@pytest.mark.parametrize("answer", ["9000", "00112233449000", "00116A88"])
def test_an_answer_without_its_mac_is_not_believed(place: TokenPlace, answer: str) -> None:
    meeting = TokenMeeting(place, FULL)
    channel, wrapped = meeting.hsm.wrap(meeting.open(), [RECOGNITION])

    with pytest.raises(ResponseMacWrong):
        meeting.hsm.unwrap(channel, wrapped[0].ticket, bytes.fromhex(answer))


@pytest.mark.parametrize("plain", [bytes(15), bytes(16)], ids=["no whole block", "no padding"])
def test_a_rightly_maced_answer_that_does_not_decipher_is_not_believed(
    place: TokenPlace, plain: bytes
) -> None:
    """A MAC that only the card could have made over something that it should not have sent."""
    meeting = TokenMeeting(place, FULL)
    channel, wrapped = meeting.hsm.wrap(meeting.open(), [RECOGNITION])
    forged = _maced_by_the_software(meeting, channel, wrapped[0].ticket, plain)

    with pytest.raises(ResponseMacWrong):
        meeting.hsm.unwrap(channel, wrapped[0].ticket, forged)


@pytest.mark.parametrize(
    "ticket", ["", "1", "x.00", "1.zz", "1.00", "²." + "00" * 16, "12345678901." + "00" * 16]
)
def test_a_strange_ticket_is_refused(place: TokenPlace, ticket: str) -> None:
    meeting = TokenMeeting(place, FULL)
    channel = meeting.open()

    with pytest.raises(InvalidValue, match="ticket"):
        meeting.hsm.unwrap(channel, ticket, b"\x90\x00")


@pytest.mark.parametrize(
    "case", [case for case in CASES if case.protocol == 3 and case.level == 0x01], ids=str
)
def test_a_card_key_leaves_wrapped_for_scp03_and_is_never_seen(place: TokenPlace, case: Case) -> None:
    meeting = TokenMeeting(place, case, maximum=Exposure.NONE)

    exported = meeting.hsm.export_card_key(card_key(KeyRole.LOAD), meeting.open())

    key = reference.diversified("3DES", MASTER, PATH)
    expected = Cipher(AES(meeting.static_dek), modes.ECB()).encryptor().update(key)  # noqa: S305
    assert (exported.cipher, exported.kcv) == (expected, reference.tdes(key, bytes(8))[:3])


def test_many_card_keys_leave_in_one_call(place: TokenPlace) -> None:
    meeting = TokenMeeting(place, FULL)
    channel = meeting.open()
    keys = [card_key(KeyRole.LOAD, path=(PATH[0], number.to_bytes(8, "big"))) for number in range(3)]

    exported = meeting.hsm.export_card_keys(keys, channel)

    assert exported == [meeting.hsm.export_card_key(key, channel) for key in keys]
    assert len({each.cipher for each in exported}) == 3


def test_for_scp02_a_card_key_is_exposed_and_only_where_that_is_allowed(place: TokenPlace) -> None:
    allowed = TokenMeeting(place, SCP02, maximum=Exposure.CARD_KEY)
    refused = TokenMeeting(place, SCP02, maximum=Exposure.HALF_CARD_KEY)
    channel = allowed.open()
    software = Meeting(SCP02)

    exported = allowed.hsm.export_card_key(card_key(KeyRole.LOAD), channel)

    assert exported == software.hsm.export_card_key(card_key(KeyRole.LOAD), channel)
    with pytest.raises(ExposureRefused):
        refused.hsm.export_card_key(card_key(KeyRole.LOAD), refused.open())


def test_a_master_leaves_in_no_channel(place: TokenPlace) -> None:
    meeting = TokenMeeting(place, FULL)

    with pytest.raises(KeyNeedsPath):
        meeting.hsm.export_card_key(card_key(KeyRole.LOAD, path=()), meeting.open())


def test_a_security_domains_key_is_not_exported(place: TokenPlace) -> None:
    meeting = TokenMeeting(place, FULL)
    key = replace(card_key(KeyRole.LOAD), ref=meeting.request.keys.key(KeyRole.SD_ENC))

    with pytest.raises(KeyMisuse):
        meeting.hsm.export_card_key(key, meeting.open())


@pytest.mark.parametrize("role", ROLES)
def test_a_set_without_one_of_its_keys_opens_nothing(place: TokenPlace, role: KeyRole) -> None:
    meeting = TokenMeeting(place, FULL, without=role)

    with pytest.raises(KeyUnknown, match=role):
        meeting.open()


def test_a_retired_set_opens_nothing(place: TokenPlace) -> None:
    meeting = TokenMeeting(place, FULL, state=KeyState.RETIRED)

    with pytest.raises(KeyNotUsable):
        meeting.open()


def test_a_dek_that_wraps_is_no_master_of_diversified_ones(place: TokenPlace) -> None:
    meeting = TokenMeeting(place, FULL, wrapping=True)

    with pytest.raises(KeyMisuse):
        meeting.open()


def test_a_dek_that_derives_is_no_wrapping_key_of_an_undiversified_set(place: TokenPlace) -> None:
    keys = KeySetRef("plain", 0x30, Algorithm.AES128, Diversification.NONE)
    hsm = hsm_of(place, {KeyRef(role, "plain", 0x30, Algorithm.AES128): bytes(range(16)) for role in ROLES})

    with pytest.raises(KeyMisuse):
        hsm.predict_channel(replace(TokenMeeting(place, FULL).request, keys=keys), bytes(10), bytes(3))


def _maced_by_the_software(meeting: TokenMeeting, channel: Channel, ticket: str, plain: bytes) -> bytes:
    from ota.card.globalplatform.answer import parse_answer
    from ota.card.globalplatform.scp03 import response_mac_data
    from ota.card.status import StatusWord
    from ota.hsm_adapter.software.ciphers import cmac, encipher_cbc
    from ota.hsm_adapter.software.diversify import StaticKeys
    from ota.hsm_adapter.software.session03 import Scp03Session

    triple = meeting.element.security_domains[1].keys.triple
    answer = parse_answer(channel.request.scp, channel.initialize_update_response)
    session = Scp03Session(
        StaticKeys(*(bytearray(key) for key in triple)), channel.request.host_challenge, answer
    )
    data = (
        plain
        if len(plain) % 16
        else encipher_cbc(Algorithm.AES128, session.enc, plain, session._icv(1, response=True))
    )
    chaining = bytes.fromhex(ticket.partition(".")[2])
    mac = cmac(session.rmac, response_mac_data(chaining, data, StatusWord(0x9000)))[:8]
    return data + mac + b"\x90\x00"
