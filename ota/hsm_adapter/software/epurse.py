"""The e-purse's MACs with a card key in hand: loads, TAC, command MAC, key writing (CARD.md 2.3 to 2.6)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from hmac import compare_digest
from typing import TYPE_CHECKING, Final

from ota.card.apdu import MAX_DATA, Command
from ota.card.globalplatform.protection import pad
from ota.card.keys import Algorithm
from ota.core.errors import InvalidValue
from ota.core.values import Mac4
from ota.hsm_adapter.errors import Mac1Wrong, TacWrong
from ota.hsm_adapter.software.ciphers import (
    MAC_LENGTH,
    CbcMac,
    Key,
    RetailMac,
    block_cipher,
    derive_into,
    wipe,
    xor,
)
from ota.hsm_adapter.software.diversify import complemented

if TYPE_CHECKING:
    from ota.card.purse import Load
    from ota.hsm_adapter.ports import KeyWriting

RANDOM_LENGTHS: Final = (4, 8)
_WRITE_KEY: Final = (0x84, 0xD4)


class Sm4SessionRule(StrEnum):
    """How 8 bytes of load data become the 16 that SM4 turns into a session key; unproven on a card (CARD.md 7)."""

    COMPLEMENT = "complement"  # D8 followed by NOT D8
    REPEAT = "repeat"  # D8 twice


@dataclass(frozen=True, slots=True)
class EPurseRules:
    """What is not certain about the purse's SM4 rules, as settings (CARD.md 7, points 1 and 13)."""

    sm4_session: Sm4SessionRule = Sm4SessionRule.COMPLEMENT
    sm4_tac_xor: bool = False
    """Whether SM4's TAC key is its halves XORed, twice over, as with 3DES; the default uses the key itself."""


def check_mac1(algorithm: Algorithm, card_key: Key, load: Load, rules: EPurseRules) -> None:
    """Raise Mac1Wrong unless MAC1 of the load's answer holds."""
    _checked_session(algorithm, card_key, load, rules)


def authorise(algorithm: Algorithm, card_key: Key, load: Load, rules: EPurseRules) -> Mac4:
    """MAC2, made only after MAC1 was verified."""
    mac2_data = load.mac2_data
    return Mac4(_checked_session(algorithm, card_key, load, rules).mac(mac2_data))


def verify_tac(algorithm: Algorithm, card_key: Key, load: Load, tac: Mac4, rules: EPurseRules) -> None:
    """Raise TacWrong unless the TAC holds."""
    key = tac_key(algorithm, card_key, rules)
    expected = CbcMac(algorithm, key).mac(load.tac_data)
    wipe(key)
    if not compare_digest(expected, tac.value):
        raise TacWrong


def secure_command(algorithm: Algorithm, card_key: Key, random: bytes, command: Command) -> Command:
    """The command with its 4-byte MAC behind the data; Lc counts the MAC in before it is made (CARD.md 2.6)."""
    if len(command.data) + MAC_LENGTH > MAX_DATA:
        raise InvalidValue("data", f"at most {MAX_DATA - MAC_LENGTH} bytes before the MAC")
    message = command.header + bytes((len(command.data) + MAC_LENGTH,)) + command.data
    mac = _command_mac(algorithm, card_key, random, message)
    return Command(command.cla, command.ins, command.p1, command.p2, command.data + mac, command.le)


def external_auth(algorithm: Algorithm, card_key: Key, random: bytes) -> bytes:
    """The 8 bytes of EXTERNAL AUTHENTICATE: the cipher over the random and zeros; SM4's halves XORed (CARD.md 1.2)."""
    block = _padded_random(algorithm, random)
    cipher = block_cipher(algorithm, card_key).update(block)
    return cipher if algorithm is Algorithm.TDES else xor(cipher[:8], cipher[8:])


def write_key(algorithm: Algorithm, card_key: Key, under: Key, random: bytes, writing: KeyWriting) -> Command:
    """WRITE KEY: length, header, key and padding in ECB, and the command's MAC, both under the wrapping key."""
    if len(writing.header) != 4:
        raise InvalidValue("header", "4 bytes")
    length = len(writing.header) + len(card_key)
    content = bytearray(length + 2 + -(length + 2) % algorithm.block_length)
    content[0] = length
    content[1:5] = writing.header
    content[5 : length + 1] = card_key
    content[length + 1] = 0x80
    cipher = block_cipher(algorithm, under).update(content)
    wipe(content)
    command = Command(*_WRITE_KEY, writing.key_type, writing.index, cipher)
    return secure_command(algorithm, under, random, command)


def session_key(algorithm: Algorithm, card_key: Key, seed: bytes, rules: EPurseRules) -> bytearray:
    """The load's session key: 8 bytes of single DES, or 16 of SM4 (CARD.md 2.3)."""
    if algorithm is Algorithm.SM4:
        seed = complemented(seed) if rules.sm4_session is Sm4SessionRule.COMPLEMENT else seed + seed
    return derive_into(block_cipher(algorithm, card_key), seed)


def tac_key(algorithm: Algorithm, card_key: Key, rules: EPurseRules) -> bytearray:
    """The TAC key: 3DES takes the XOR of the halves as single DES, SM4 the key itself by default (CARD.md 2.4)."""
    if algorithm is Algorithm.SM4 and not rules.sm4_tac_xor:
        return bytearray(card_key)
    folded = bytearray(8 if algorithm is Algorithm.TDES else 16)
    for place in range(len(folded)):
        folded[place] = card_key[place % 8] ^ card_key[place % 8 + 8]
    return folded


def _checked_session(algorithm: Algorithm, card_key: Key, load: Load, rules: EPurseRules) -> CbcMac:
    key = session_key(algorithm, card_key, load.session_seed, rules)
    session = CbcMac(algorithm, key)
    wipe(key)
    if not compare_digest(session.mac(load.mac1_data), load.answer.mac1.value):
        raise Mac1Wrong
    return session


def _command_mac(algorithm: Algorithm, card_key: Key, random: bytes, message: bytes) -> bytes:
    iv = _padded_random(algorithm, random)
    if algorithm is Algorithm.TDES:
        return RetailMac(card_key).mac(pad(message, 8), iv)[:MAC_LENGTH]
    return CbcMac(algorithm, card_key).mac(message, iv)


def _padded_random(algorithm: Algorithm, random: bytes) -> bytes:
    if len(random) not in RANDOM_LENGTHS:
        raise InvalidValue("random", "4 or 8 bytes of GET CHALLENGE")
    return random.ljust(algorithm.block_length, b"\x00")
