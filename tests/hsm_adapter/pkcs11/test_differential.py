"""The token against the software backend, the plain reference, psec and pyemv, on cases that hypothesis thinks up.

OTA_TEST_DIFFERENTIAL_CASES says how many of each kind; 700 make more than 5,000 comparisons in all.
"""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from psec import des as psec_des
from psec import mac as psec_mac
from pyemv import tools as pyemv_tools

from ota.card.apdu import Command
from ota.card.globalplatform.variant import SCP02, SCP03, ScpVariant
from ota.card.keys import Algorithm, KeyRole
from ota.card.purse import Load
from ota.core.errors import OtaError
from ota.core.values import Mac4
from ota.hsm_adapter.channel import ChannelRequest
from ota.hsm_adapter.keys import CardKey, Diversification, KeyRef, KeySetRef, Path
from ota.hsm_adapter.pkcs11 import Pkcs11Hsm, TokenPlace
from ota.hsm_adapter.ports import KeyWriting
from ota.hsm_adapter.software import SoftwareHsm
from ota.hsm_adapter.software.memory import PublishedKeys
from tests.hsm_adapter import reference
from tests.hsm_adapter.keyring import MASTER, a_load, an_hsm, card_key, expected_mac2, expected_tac
from tests.hsm_adapter.pkcs11.holders import hsm_of, one_master

CASES = int(os.environ.get("OTA_TEST_DIFFERENTIAL_CASES", "25"))
ROLES = (KeyRole.SD_ENC, KeyRole.SD_MAC, KeyRole.SD_DEK)
AES = (Algorithm.AES128, Algorithm.AES192, Algorithm.AES256)
DOMAIN = bytes.fromhex("D156000158534400")

pytestmark = pytest.mark.filterwarnings(
    "ignore::cryptography.utils.CryptographyDeprecationWarning"
)  # psec's 3DES

some = settings(max_examples=CASES, deadline=None)
factors = st.lists(st.binary(min_size=8, max_size=8), min_size=1, max_size=4).map(tuple)
challenges = st.binary(min_size=4, max_size=4) | st.binary(min_size=8, max_size=8)


@st.composite
def loads(draw: st.DrawFn) -> tuple[Path, Load]:
    path = draw(factors)
    load = a_load(
        path=path,
        random=draw(st.binary(min_size=4, max_size=4)),
        atc=draw(st.integers(0, 0xFFFF)),
        balance=draw(st.integers(0, 100_000)),
        amount=draw(st.integers(1, 100_000)),
        terminal=draw(st.binary(min_size=6, max_size=6)),
    )
    return path, load


@some
@given(case=loads(), flip=st.none() | st.integers(0, 31))
def test_loads(hsm: Pkcs11Hsm, case: tuple[Path, Load], flip: int | None) -> None:
    """The same MAC2 from both backends and the reference; the same refusal of a MAC1 that is wrong in one bit."""
    path, load = case
    key = card_key(KeyRole.LOAD, path=path)
    if flip is not None:
        wrong = int.from_bytes(load.answer.mac1.value, "big") ^ 1 << flip
        load = replace(load, answer=replace(load.answer, mac1=Mac4(wrong.to_bytes(4, "big"))))

    here, there = (
        outcome(lambda: hsm.authorise_load(key, load)),
        outcome(lambda: an_hsm().authorise_load(key, load)),
    )

    assert here == there
    assert here == (expected_mac2(Algorithm.TDES, load, path=path) if flip is None else "mac1_wrong")


@some
@given(case=loads(), wrong=st.booleans())
def test_tacs(hsm: Pkcs11Hsm, case: tuple[Path, Load], wrong: bool) -> None:
    path, load = case
    key = card_key(KeyRole.TAC, path=path)
    tac = Mac4(bytes(4)) if wrong else expected_tac(Algorithm.TDES, load, path=path)

    assert outcome(lambda: hsm.verify_tac(key, load, tac)) == outcome(
        lambda: an_hsm().verify_tac(key, load, tac)
    )


@some
@given(path=factors, random=challenges, data=st.binary(max_size=60))
def test_command_macs(hsm: Pkcs11Hsm, path: Path, random: bytes, data: bytes) -> None:
    """Also the retail MAC of psec, with pyemv's padding, over a message that begins with the challenge's XOR."""
    key, command = card_key(KeyRole.APP_MAINTENANCE, path=path), Command(0x04, 0xD6, 0x95, 0x00, data)

    secured = hsm.secure_apdu(key, random, command)

    assert secured == an_hsm().secure_apdu(key, random, command)
    card = reference.diversified("3DES", MASTER, path)
    message = reference.padded(command.header + bytes((len(data) + 4,)) + data, 8)
    chained = pyemv_tools.xor(message[:8], random.ljust(8, b"\x00")) + message[8:]
    mac = psec_mac.generate_retail_mac(card[:8], card[8:], chained, 1, 4)
    assert secured.data == data + mac


@some
@given(path=factors, random=challenges)
def test_cryptograms_and_check_values(hsm: Pkcs11Hsm, path: Path, random: bytes) -> None:
    key = card_key(KeyRole.CARD_CONTROL, path=path)

    cryptogram, kcv = hsm.external_auth(key, random), hsm.kcv(key)

    assert (cryptogram, kcv) == (an_hsm().external_auth(key, random), an_hsm().kcv(key))
    card = reference.diversified("3DES", MASTER, path)
    assert cryptogram == psec_des.encrypt_tdes_ecb(card, random.ljust(8, b"\x00"))
    assert kcv == psec_des.generate_kcv(card, 3)


@some
@given(path=factors, under=factors, random=challenges, header=st.binary(min_size=4, max_size=4))
def test_key_writing(hsm: Pkcs11Hsm, path: Path, under: Path, random: bytes, header: bytes) -> None:
    keys = card_key(KeyRole.SPARE, path=path), card_key(KeyRole.APP_CONTROL, path=under)
    writing = KeyWriting(0x39, 0x01, header)

    assert hsm.write_key(*keys, random, writing) == an_hsm().write_key(*keys, random, writing)


@st.composite
def channels(draw: st.DrawFn) -> tuple[ChannelRequest, bytes, bytes]:
    """A request, a card's diversification data and a counter, for a channel that can be predicted."""
    algorithm = draw(st.sampled_from((Algorithm.TDES, *AES)))
    if algorithm is Algorithm.TDES:
        scheme = draw(st.sampled_from((Diversification.VISA2, Diversification.EMV_CPS, Diversification.NONE)))
        scp, length = ScpVariant(SCP02, 0x55), 2
    else:
        scheme, scp, length = (
            Diversification.KDF3,
            ScpVariant(SCP03, draw(st.sampled_from((0x10, 0x30, 0x70)))),
            3,
        )
    request = ChannelRequest(
        keys=KeySetRef("platform", 1, algorithm, scheme),
        scp=scp,
        level=draw(st.sampled_from(scp.levels)),
        host_challenge=draw(st.binary(min_size=8, max_size=8)),
        security_domain=draw(st.binary(min_size=5, max_size=16)),
    )
    return (
        request,
        draw(st.binary(min_size=10, max_size=10)),
        draw(st.binary(min_size=length, max_size=length)),
    )


@some
@given(
    case=channels(),
    sent=st.lists(
        st.builds(Command, st.just(0x80), st.just(0xE2), st.just(0), st.just(0), st.binary(max_size=80)),
        max_size=3,
    ),
    path=factors,
)
def test_channels(
    both: tuple[Pkcs11Hsm, SoftwareHsm],
    case: tuple[ChannelRequest, bytes, bytes],
    sent: list[Command],
    path: Path,
) -> None:
    """Opened, wrapped and exported to, byte for byte alike; either's channel is the other's."""
    token, software = both

    predicted = token.predict_channel(*case)
    assert predicted == software.predict_channel(*case)

    channel, _ = predicted
    opened = token.open_channel(case[0], channel.initialize_update_response)
    assert opened == software.open_channel(case[0], channel.initialize_update_response)
    assert token.wrap(channel, sent) == software.wrap(channel, sent)
    key = CardKey(KeyRef(KeyRole.LOAD, "province", 1, Algorithm.TDES), path)
    assert token.export_card_key(key, channel) == software.export_card_key(key, channel)


@some
@given(case=channels(), data=st.binary(max_size=40), byte=st.none() | st.integers(0, 60))
def test_answers(
    both: tuple[Pkcs11Hsm, SoftwareHsm],
    case: tuple[ChannelRequest, bytes, bytes],
    data: bytes,
    byte: int | None,
) -> None:
    """What the card might answer, with and without a right MAC: both read the same or refuse alike."""
    token, software = both
    channel, _ = software.predict_channel(*case)
    channel, wrapped = software.wrap(channel, [Command(0x80, 0xCA, 0x00, 0x66, le=0)])
    answer = bytearray(data + b"\x90\x00")
    if byte is not None:
        answer[byte % len(answer)] ^= 0x40

    here = outcome(lambda: token.unwrap(channel, wrapped[0].ticket, bytes(answer)))

    assert here == outcome(lambda: software.unwrap(channel, wrapped[0].ticket, bytes(answer)))


@pytest.fixture(scope="session")
def both(place: TokenPlace) -> tuple[Pkcs11Hsm, SoftwareHsm]:
    """Both backends with the same masters."""
    keys = one_master()
    for algorithm in (Algorithm.TDES, *AES):
        for number, role in enumerate(ROLES):
            first = 0x21 + 0x30 * number
            keys[KeyRef(role, "platform", 1, algorithm)] = bytes(range(first, first + algorithm.key_length))
    return hsm_of(place, keys), SoftwareHsm(PublishedKeys(keys))


def outcome(call: Any) -> object:
    """What a call gives, or the code of its refusal."""
    try:
        return call()
    except OtaError as problem:
        return problem.problem_code
