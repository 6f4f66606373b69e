from __future__ import annotations

from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, modes
from cryptography.hazmat.primitives.ciphers.algorithms import AES

from ota.card.apdu import Command
from ota.card.globalplatform import commands
from ota.card.globalplatform.protection import max_data
from ota.card.globalplatform.variant import R_MAC, ScpVariant
from ota.card.keys import Algorithm, KeyRole
from ota.card.problems import MalformedAnswer
from ota.core.errors import InvalidValue
from ota.hsm_adapter.channel import Channel
from ota.hsm_adapter.errors import (
    CardCryptogramWrong,
    ChannelMismatch,
    PredictionMissed,
    ResponseMacWrong,
)
from tests.hsm_adapter import reference
from tests.hsm_adapter.elements import CASES, Case, Meeting
from tests.hsm_adapter.keyring import MASTER, PATH, an_hsm, card_key

cases = pytest.mark.parametrize("case", CASES, ids=str)
FULL = Case(3, 0x70, Algorithm.AES128, 0x33)
SCP02 = Case(2, 0x55, Algorithm.TDES, 0x03)
RANDOM_CHALLENGE = Case(3, 0x60, Algorithm.AES128, 0x33)
PREDICTABLE = [case for case in CASES if ScpVariant(case.protocol, case.i).is_predictable]

STATUS = commands.get_status(commands.ISSUER_SECURITY_DOMAIN)
RECOGNITION = commands.get_data(commands.CARD_RECOGNITION_DATA)


@cases
def test_an_independent_element_accepts_the_channel_and_its_commands(case: Case) -> None:
    meeting = Meeting(case)

    _, answers = meeting.exchange(meeting.open(), RECOGNITION, STATUS, RECOGNITION, STATUS)

    assert [answer[-2:].hex() for answer in answers] == ["9000"] * 4
    assert answers[0] == answers[2]
    assert answers[1] == answers[3]
    assert answers[0][0] == 0x66
    assert answers[1][0] == 0xE3


@cases
def test_an_error_of_the_element_is_handed_on_bare(case: Case) -> None:
    meeting = Meeting(case)

    _, answers = meeting.exchange(
        meeting.open(), commands.delete(bytes.fromhex("D1560001580000")), RECOGNITION
    )

    assert answers[0].hex() == "6a88"
    assert answers[1][-2:].hex() == "9000"


@cases
def test_the_longest_data_that_fits_is_accepted_and_one_byte_more_refused(case: Case) -> None:
    meeting = Meeting(case)
    channel = meeting.open()
    longest = max_data(meeting.request.scp, case.level)

    _, wrapped = meeting.hsm.wrap(channel, [Command(0x80, 0xE2, 0x08, 0x00, bytes(longest))])

    assert len(wrapped[0].apdu) <= 5 + 255
    with pytest.raises(InvalidValue, match=str(longest)):
        meeting.hsm.wrap(channel, [Command(0x80, 0xE2, 0x08, 0x00, bytes(longest + 1))])


@cases
def test_a_stored_channel_goes_on_where_it_was(case: Case) -> None:
    meeting = Meeting(case)
    channel, _ = meeting.exchange(meeting.open(), RECOGNITION)

    _, answers = meeting.exchange(Channel.from_json(channel.to_json()), STATUS)

    assert answers[0][-2:].hex() == "9000"


@cases
def test_a_flipped_bit_in_the_cards_cryptogram_opens_nothing(case: Case) -> None:
    meeting = Meeting(case)
    answer = bytearray(meeting.initialize_update())
    answer[20 if case.protocol == 2 else 21] ^= 0x01

    with pytest.raises(CardCryptogramWrong):
        meeting.hsm.open_channel(meeting.request, bytes(answer))


@pytest.mark.parametrize("case", PREDICTABLE, ids=str)
def test_a_predicted_channel_is_the_one_that_the_element_opens(case: Case) -> None:
    meeting = Meeting(case)
    after_select = meeting.element.transmit(commands.get_data(commands.SEQUENCE_COUNTER).encode())
    read = int.from_bytes(after_select[2:-2], "big")
    length, step = (2, 0) if case.protocol == 2 else (3, 1)
    data = bytes.fromhex(meeting.element.se_id)

    channel, authenticate = meeting.hsm.predict_channel(
        meeting.request, data, (read + step).to_bytes(length, "big")
    )
    channel, wrapped = meeting.hsm.wrap(channel, [STATUS])
    real = meeting.initialize_update()
    meeting.hsm.confirm_prediction(channel, real)

    assert channel.initialize_update_response == real
    assert meeting.element.transmit(authenticate) == b"\x90\x00"
    answer = meeting.element.transmit(wrapped[0].apdu)
    assert meeting.hsm.unwrap(channel, wrapped[0].ticket, answer)[-2:] == b"\x90\x00"


@pytest.mark.parametrize("case", PREDICTABLE, ids=str)
def test_a_prediction_for_another_counter_is_missed(case: Case) -> None:
    meeting = Meeting(case)
    sequence = bytes(2 if case.protocol == 2 else 3)
    channel, _ = meeting.hsm.predict_channel(meeting.request, bytes.fromhex(meeting.element.se_id), sequence)

    with pytest.raises(PredictionMissed):
        meeting.hsm.confirm_prediction(channel, meeting.initialize_update())


@pytest.mark.parametrize("case", [FULL, SCP02], ids=str)
def test_a_predicted_counter_without_the_keys_is_a_wrong_cryptogram(case: Case) -> None:
    meeting = Meeting(case)
    answer = meeting.initialize_update()
    sequence = answer[12:14] if case.protocol == 2 else answer[29:]
    channel, _ = meeting.hsm.predict_channel(meeting.request, answer[:10], sequence)
    forged = bytearray(answer)
    forged[25] ^= 0x01

    with pytest.raises(CardCryptogramWrong):
        meeting.hsm.confirm_prediction(channel, bytes(forged))


def test_a_random_challenge_is_not_predicted() -> None:
    meeting = Meeting(RANDOM_CHALLENGE)

    with pytest.raises(InvalidValue, match="scp"):
        meeting.hsm.predict_channel(meeting.request, bytes(10), bytes(3))


@pytest.mark.parametrize(
    ("data", "sequence"), [(bytes(9), bytes(3)), (bytes(10), bytes(2)), (bytes(10), b"")]
)
def test_a_prediction_needs_data_and_counter_of_the_right_length(data: bytes, sequence: bytes) -> None:
    meeting = Meeting(FULL)

    with pytest.raises(InvalidValue):
        meeting.hsm.predict_channel(meeting.request, data, sequence)


@pytest.mark.parametrize(
    ("offset", "value", "field"), [(10, 0x7F, "key version"), (11, 0x02, "protocol"), (12, 0x60, "i")]
)
def test_an_answer_for_something_else_than_was_asked_is_refused(offset: int, value: int, field: str) -> None:
    meeting = Meeting(FULL)
    answer = bytearray(meeting.initialize_update())
    answer[offset] = value

    with pytest.raises(ChannelMismatch) as refusal:
        meeting.hsm.open_channel(meeting.request, bytes(answer))

    assert refusal.value.details["field"] == field


def test_the_card_may_state_another_version_than_the_masters_have() -> None:
    meeting = Meeting(FULL)
    request = replace(meeting.request, key_version=0x7F)
    answer = bytearray(meeting.initialize_update())
    answer[10] = 0x7F

    channel, _ = meeting.hsm.open_channel(request, bytes(answer))

    assert Channel.from_json(channel.to_json()) == channel


@pytest.mark.parametrize("length", [0, 27, 28, 29, 31, 33])
def test_an_answer_of_another_length_is_refused(length: int) -> None:
    meeting = Meeting(FULL)

    with pytest.raises(MalformedAnswer):
        meeting.hsm.open_channel(meeting.request, bytes(length))


R_MAC_CASES = [case for case in CASES if case.level & R_MAC]


@pytest.mark.parametrize("case", R_MAC_CASES, ids=str)
def test_every_changed_byte_of_a_protected_answer_is_noticed(case: Case) -> None:
    meeting = Meeting(case)
    channel, wrapped = meeting.hsm.wrap(meeting.open(), [RECOGNITION])
    answer = meeting.element.transmit(wrapped[0].apdu)

    for position in range(len(answer) - 2):
        changed = bytearray(answer)
        changed[position] ^= 0x80
        with pytest.raises(ResponseMacWrong):
            meeting.hsm.unwrap(channel, wrapped[0].ticket, bytes(changed))


@pytest.mark.parametrize(
    "answer",
    [b"\x90\x00", bytes(7) + b"\x90\x00", b"\x01\x6a\x82", bytes(8) + b"\x62\x83", bytes(8) + b"\x6a\x88"],
)
def test_an_answer_without_the_mac_it_must_carry_is_not_believed(answer: bytes) -> None:
    meeting = Meeting(FULL)
    channel, wrapped = meeting.hsm.wrap(meeting.open(), [RECOGNITION])

    with pytest.raises(ResponseMacWrong):
        meeting.hsm.unwrap(channel, wrapped[0].ticket, answer)


def test_an_answer_is_not_taken_for_that_of_another_command() -> None:
    meeting = Meeting(FULL)
    channel, wrapped = meeting.hsm.wrap(meeting.open(), [RECOGNITION, RECOGNITION])
    first = meeting.element.transmit(wrapped[0].apdu)

    with pytest.raises(ResponseMacWrong):
        meeting.hsm.unwrap(channel, wrapped[1].ticket, first)


@pytest.mark.parametrize(
    "ticket", ["", "1", "1.", "x.00", "-1.00", "1.zz", "1.00", "99999999999." + "00" * 16, "١." + "00" * 16]
)
def test_a_strange_ticket_is_refused(ticket: str) -> None:
    meeting = Meeting(FULL)
    channel = meeting.open()

    with pytest.raises(InvalidValue):
        meeting.hsm.unwrap(channel, ticket, b"\x90\x00")


def test_a_command_of_a_further_logical_channel_is_refused() -> None:
    meeting = Meeting(FULL)
    channel = meeting.open()

    with pytest.raises(InvalidValue, match="cla"):
        meeting.hsm.wrap(channel, [Command(0xC0, 0xF2, 0x80, 0x02)])


@pytest.mark.parametrize("case", [FULL, SCP02], ids=str)
def test_the_macs_do_not_depend_on_the_logical_channel(case: Case) -> None:
    meeting = Meeting(case)
    channel = meeting.open()

    _, basic = meeting.hsm.wrap(channel, [STATUS])
    _, other = meeting.hsm.wrap(channel, [replace(STATUS, cla=0x83)])

    assert other[0].apdu[0] == 0x87
    assert other[0].apdu[1:] == basic[0].apdu[1:]


CARD_ALGORITHMS = (Algorithm.TDES, Algorithm.SM4)


def test_a_key_exported_under_scp02_is_accepted_by_the_element_with_its_check_value() -> None:
    meeting = Meeting(SCP02)
    channel = meeting.open()
    exported = meeting.hsm.export_card_keys([card_key(KeyRole.LOAD)] * 3, channel)
    blocks = b"".join(commands.key_block(0x80, each.cipher, each.kcv) for each in exported)

    _, answers = meeting.exchange(channel, commands.put_key(0x00, 0x41, blocks))

    assert answers[0][-2:].hex() == "9000"


@pytest.mark.parametrize("algorithm", CARD_ALGORITHMS)
@pytest.mark.parametrize("case", [case for case in CASES if case.i == 0x60 and case.level == 0x33], ids=str)
def test_a_key_exported_under_scp03_deciphers_under_the_elements_static_key(
    case: Case, algorithm: Algorithm
) -> None:
    meeting = Meeting(case)
    expected = reference.diversified(algorithm, MASTER, PATH)

    exported = meeting.hsm.export_card_key(card_key(KeyRole.LOAD, algorithm), meeting.open())

    decryptor = Cipher(AES(meeting.static_dek), modes.CBC(bytes(16))).decryptor()
    assert decryptor.update(exported.cipher) == expected
    assert exported.kcv == meeting.hsm.kcv(card_key(KeyRole.LOAD, algorithm))


@pytest.mark.parametrize("algorithm", CARD_ALGORITHMS)
def test_a_check_value_is_the_cipher_over_zeros(algorithm: Algorithm) -> None:
    key = reference.diversified(algorithm, MASTER, PATH)
    cipher, size = (reference.tdes, 8) if algorithm is Algorithm.TDES else (reference.sm4, 16)

    assert an_hsm().kcv(card_key(KeyRole.LOAD, algorithm)) == cipher(key, bytes(size))[:3]
