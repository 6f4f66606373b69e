from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, modes
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.cmac import CMAC
from hypothesis import given
from hypothesis import strategies as st

from ota.card.globalplatform import commands
from ota.card.keys import Algorithm, KeyRole
from ota.hsm_adapter.errors import ResponseMacWrong
from ota.hsm_adapter.keys import Diversification
from ota.hsm_adapter.software import channels, session02
from ota.hsm_adapter.software.ciphers import CbcMac, RetailMac, block_cipher, check_value, cmac
from ota.hsm_adapter.software.diversify import StaticKeys, child_key, child_keys, static_keys
from ota.hsm_adapter.software.session03 import Scp03Session
from tests.hsm_adapter import reference
from tests.hsm_adapter.elements import Case, Meeting

GP_KEY = bytes(range(0x40, 0x60))
KDD = bytes(range(10))
ROLES = (KeyRole.SD_ENC, KeyRole.SD_MAC, KeyRole.SD_DEK)


def diversified(scheme: Diversification, master: bytes) -> tuple[bytes, ...]:
    static = static_keys(scheme, {role: bytearray(master) for role in ROLES}, KDD)
    return bytes(static.enc), bytes(static.mac), bytes(static.dek)


@pytest.mark.parametrize(
    ("scheme", "algorithm", "expected"),
    [  # published with GlobalPlatformPro 236a610, TestPlaintextKeys
        (Diversification.NONE, Algorithm.TDES, "8BAF47 8BAF47 8BAF47"),
        (Diversification.VISA2, Algorithm.TDES, "2BE598 58DA38 3C328E"),
        (Diversification.EMV_CPS, Algorithm.TDES, "C33013 6F4CA6 BB8179"),
        (Diversification.KDF3, Algorithm.AES128, "E79C05 D1BD77 3FDE8C"),
        (Diversification.KDF3, Algorithm.AES192, "1DE8EA 47C00C C04D76"),
        (Diversification.KDF3, Algorithm.AES256, "2972D2 036F94 5D57B8"),
    ],
)
def test_published_check_values_come_out(
    scheme: Diversification, algorithm: Algorithm, expected: str
) -> None:
    keys = diversified(scheme, GP_KEY[: algorithm.key_length])

    found = [check_value(algorithm, key).hex().upper() for key in keys]

    assert " ".join(found) == expected


@pytest.mark.parametrize(
    ("mac_key", "sequence", "domain", "challenge"),
    [  # answers of real cards, published in trackers and forums
        (GP_KEY[:16].hex(), "3205", "A000000003000000", "DAF17E7362A8"),
        ("473F36161A7F7F60CC3A766EA4BE5247", "0019", "A000000151000000", "051296110E96"),
        (GP_KEY[:16].hex(), "001C", "A000000151000000", "AE6407F79DD1"),
        (GP_KEY[:16].hex(), "0007", "D1560001010001600000000100000000", "8D4A65B37086"),
        (GP_KEY[:16].hex(), "001A", "A000000003000000", "36CEA1BBB6FD"),
        (GP_KEY[:16].hex(), "0008", "A000000003000000", "8B320EC60E9B"),
    ],
)
def test_scp02_challenges_of_real_cards_are_predicted(
    mac_key: str, sequence: str, domain: str, challenge: str
) -> None:
    static = StaticKeys(bytearray(16), bytearray.fromhex(mac_key), bytearray(16))

    predicted = session02.card_challenge(static, bytes.fromhex(sequence), bytes.fromhex(domain))

    assert predicted.hex().upper() == challenge


@given(
    key=st.binary(min_size=16, max_size=16),
    iv=st.binary(min_size=8, max_size=8),
    messages=st.lists(st.binary(max_size=64), min_size=1, max_size=4),
)
def test_one_context_serves_many_messages(key: bytes, iv: bytes, messages: list[bytes]) -> None:
    retail, mac = RetailMac(key), CbcMac(Algorithm.TDES, key[:8])

    for message in messages:
        whole = reference.padded(message, 8)
        assert retail.mac(whole, iv)[:4] == reference.command_mac("3DES", key, iv, message)
        assert retail.encipher_left(iv) == reference.des(key[:8], iv)
        assert mac.mac(message) == reference.trade_mac("3DES", key[:8], message)


@given(
    key=st.sampled_from([16, 24, 32]).flatmap(lambda n: st.binary(min_size=n, max_size=n)), data=st.binary()
)
def test_cmac_is_the_librarys(key: bytes, data: bytes) -> None:
    expected = CMAC(AES(key))
    expected.update(data)

    assert cmac(key, data) == expected.finalize()


class Overheard:
    """A wrapped command with the session keys, so that an answer can be forged with a right R-MAC."""

    def __init__(self) -> None:
        self.meeting = Meeting(Case(3, 0x70, Algorithm.AES128, 0x33))
        question = commands.get_data(commands.CARD_RECOGNITION_DATA)
        self.channel, (self.wrapped,) = self.meeting.hsm.wrap(self.meeting.open(), [question])
        counter, chaining = self.wrapped.ticket.split(".")
        self.counter, self.chaining = int(counter), bytes.fromhex(chaining)
        with (
            self.meeting.hsm._keys.masters(self.channel.request.keys) as masters,
            channels.resumed(masters, self.channel) as session,
        ):
            assert isinstance(session, Scp03Session)
            self.enc, self.rmac = bytes(session.enc), bytes(session.rmac)

    def unwrapped(self, data: bytes) -> bytes:
        mac = cmac(self.rmac, self.chaining + data + b"\x90\x00")[:8]
        return self.meeting.hsm.unwrap(self.channel, self.wrapped.ticket, data + mac + b"\x90\x00")


@pytest.mark.parametrize(
    "plain", [bytes(16), b"\x01" * 16, b"\x80" + bytes(16) + bytes(15), b"\x80" + bytes(14)]
)
def test_an_answer_that_deciphers_to_nonsense_is_not_believed(plain: bytes) -> None:
    heard = Overheard()
    first = Cipher(AES(heard.enc), modes.CBC(bytes(16))).encryptor()
    iv = first.update(b"\x80" + heard.counter.to_bytes(15, "big"))
    whole = len(plain) - len(plain) % 16
    cipher = Cipher(AES(heard.enc), modes.CBC(iv)).encryptor().update(plain[:whole]) + plain[whole:]

    with pytest.raises(ResponseMacWrong):
        heard.unwrapped(cipher)


def test_an_answer_without_data_carries_its_mac_alone() -> None:
    assert Overheard().unwrapped(b"") == b"\x90\x00"


@given(
    key=st.binary(min_size=16, max_size=16),
    factors=st.lists(st.binary(min_size=8, max_size=8), max_size=5),
)
def test_many_keys_at_once_are_the_single_ones(key: bytes, factors: list[bytes]) -> None:
    for algorithm in (Algorithm.TDES, Algorithm.SM4):
        parent = block_cipher(algorithm, key)

        together = child_keys(parent, factors)

        assert bytes(together) == b"".join(bytes(child_key(parent, factor)) for factor in factors)
