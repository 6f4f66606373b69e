"""The e-purse's MACs with the card key inside the token: loads, TAC, command MAC (CARD.md 2.3 to 2.6)."""

from __future__ import annotations

from hmac import compare_digest
from typing import TYPE_CHECKING, Final

from ota.card.apdu import MAX_DATA, Command
from ota.card.globalplatform.protection import pad
from ota.card.keys import Algorithm
from ota.core.errors import InvalidValue
from ota.core.values import Mac4
from ota.hsm_adapter.errors import Mac1Wrong, TacWrong
from ota.hsm_adapter.pkcs11.templates import Use
from ota.hsm_adapter.ports import Operation
from ota.hsm_adapter.software import epurse as outside
from ota.hsm_adapter.software.ciphers import MAC_LENGTH, wipe, xor
from ota.hsm_adapter.software.diversify import complemented
from ota.hsm_adapter.software.epurse import RANDOM_LENGTHS, EPurseRules, Sm4SessionRule

if TYPE_CHECKING:
    from ota.card.purse import Load
    from ota.hsm_adapter.keys import CardKey
    from ota.hsm_adapter.pkcs11.cardkeys import CardKeys
    from ota.hsm_adapter.pkcs11.ciphers import TokenCipher
    from ota.hsm_adapter.pkcs11.token import Handle, OpenToken
    from ota.hsm_adapter.ports import KeyWriting

_WRITE_KEY: Final = (0x84, 0xD4)


def check_mac1(keys: CardKeys, key: CardKey, load: Load, rules: EPurseRules) -> None:
    """Raise Mac1Wrong unless MAC1 of the load's answer holds."""
    _checked_session(keys, key, load, rules, Operation.CHECK_MAC1)


def authorise(keys: CardKeys, key: CardKey, load: Load, rules: EPurseRules) -> Mac4:
    """MAC2, made only after MAC1 was verified."""
    mac2_data = load.mac2_data
    session = _checked_session(keys, key, load, rules, Operation.AUTHORISE_LOAD)
    return Mac4(_mac(keys.token, session, keys.cipher(key), mac2_data))


def verify_tac(keys: CardKeys, key: CardKey, load: Load, tac: Mac4, rules: EPurseRules) -> None:
    """Raise TacWrong unless the TAC holds.

    3DES takes the XOR of the key's halves (CARD.md 2.4), which PKCS #11 cannot make of one key: it is done here,
    with the card key exposed. SM4 takes the key itself and stays inside.
    """
    if key.ref.algorithm is Algorithm.TDES or rules.sm4_tac_xor:
        card_key = keys.exposed(key, Operation.VERIFY_TAC)
        try:
            outside.verify_tac(key.ref.algorithm, card_key, load, tac, rules)
        finally:
            wipe(card_key)
        return
    card = keys.card(key, Operation.VERIFY_TAC)
    expected = _mac_by_blocks(keys.token, card, keys.cipher(key), load.tac_data)
    if not compare_digest(expected, tac.value):
        raise TacWrong


def secure_command(
    keys: CardKeys,
    key: CardKey,
    random: bytes,
    command: Command,
    operation: Operation = Operation.SECURE_APDU,
) -> Command:
    """The command with its 4-byte MAC behind the data; Lc counts the MAC in before it is made (CARD.md 2.6)."""
    if len(command.data) + MAC_LENGTH > MAX_DATA:
        raise InvalidValue("data", f"at most {MAX_DATA - MAC_LENGTH} bytes before the MAC")
    message = command.header + bytes((len(command.data) + MAC_LENGTH,)) + command.data
    iv = _padded_random(key.ref.algorithm, random)
    if key.ref.algorithm is Algorithm.TDES:
        mac = _retail_mac(keys, key, pad(message, 8), iv, operation)
    else:
        mac = _mac_by_blocks(keys.token, keys.card(key, operation), keys.cipher(key), message, iv)
    return Command(command.cla, command.ins, command.p1, command.p2, command.data + mac, command.le)


def external_auth(keys: CardKeys, key: CardKey, random: bytes) -> bytes:
    """The 8 bytes of EXTERNAL AUTHENTICATE: the cipher over the random and zeros; SM4's halves XORed (CARD.md 1.2)."""
    block = _padded_random(key.ref.algorithm, random)
    cryptogram = keys.token.public(keys.card(key, Operation.EXTERNAL_AUTH), keys.cipher(key), block)
    return cryptogram if key.ref.algorithm is Algorithm.TDES else xor(cryptogram[:8], cryptogram[8:])


def write_key(keys: CardKeys, key: CardKey, under: CardKey, random: bytes, writing: KeyWriting) -> Command:
    """WRITE KEY: length, header, key and padding in ECB, and the command's MAC, both under the wrapping key.

    The key stands across cipher blocks, which no wrapping mechanism can do: it is exposed here.
    """
    if len(writing.header) != 4:
        raise InvalidValue("header", "4 bytes")
    wrapping = keys.card(under, Operation.WRITE_KEY)
    card_key = keys.exposed(key, Operation.EXPORT_CARD_KEY)
    content = bytearray(bytes((len(writing.header) + len(card_key),)) + writing.header) + card_key
    padded = content + b"\x80" + bytes(-(len(content) + 1) % key.ref.algorithm.block_length)
    cipher = keys.token.public(wrapping, keys.cipher(under), bytes(padded))
    wipe(card_key, content, padded)
    command = Command(*_WRITE_KEY, writing.key_type, writing.index, cipher)
    return secure_command(keys, under, random, command, Operation.WRITE_KEY)


def _checked_session(
    keys: CardKeys, key: CardKey, load: Load, rules: EPurseRules, operation: Operation
) -> Handle:
    """The load's session key in the token, once MAC1 was found right (CARD.md 2.3)."""
    card = keys.card(key, operation)
    cipher = keys.cipher(key)
    session = keys.token.child(card, cipher, _session_data(key.ref.algorithm, load, rules), Use.ENCIPHER)
    if not compare_digest(_mac(keys.token, session, cipher, load.mac1_data), load.answer.mac1.value):
        raise Mac1Wrong
    return session


def _session_data(algorithm: Algorithm, load: Load, rules: EPurseRules) -> bytes:
    """What becomes the session key: single DES as both halves of a 3DES key, since the token refuses single DES."""
    if algorithm is Algorithm.TDES or rules.sm4_session is Sm4SessionRule.REPEAT:
        return load.session_seed * 2
    return complemented(load.session_seed)


def _mac(token: OpenToken, session: Handle, cipher: TokenCipher, data: bytes) -> bytes:
    """CBC-MAC with zero IV, padding 80 00.., 4 leftmost bytes of the last block (CARD.md 2.5)."""
    return token.encipher(session, cipher, pad(data, cipher.block))[-cipher.block :][:MAC_LENGTH]


def _mac_by_blocks(
    token: OpenToken, card: Handle, cipher: TokenCipher, data: bytes, iv: bytes = bytes(16)
) -> bytes:
    """The same with a card key, which derives and may not encipher: block by block."""
    padded = pad(data, cipher.block)
    chain = iv
    for start in range(0, len(padded), cipher.block):
        chain = token.public(card, cipher, xor(chain, padded[start : start + cipher.block]))
    return chain[:MAC_LENGTH]


def _retail_mac(keys: CardKeys, key: CardKey, padded: bytes, iv: bytes, operation: Operation) -> bytes:
    """ISO/IEC 9797-1 MAC algorithm 3 with DES: chaining with the key's left half, 3DES over the last block."""
    head, last = padded[:-8], padded[-8:]
    left = keys.left_half(key, operation)
    chain = keys.token.encipher(left, keys.cipher(key), head, iv)[-8:] if head else iv
    return keys.token.public(keys.card(key, operation), keys.cipher(key), xor(last, chain))[:MAC_LENGTH]


def _padded_random(algorithm: Algorithm, random: bytes) -> bytes:
    if len(random) not in RANDOM_LENGTHS:
        raise InvalidValue("random", "4 or 8 bytes of GET CHALLENGE")
    return random.ljust(algorithm.block_length, b"\x00")
