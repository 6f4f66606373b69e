"""TR-31 key blocks of version D: a key and what it is for, enciphered and authenticated under an AES key.

Sources: ASC X9 TR 31-2018 and its successor X9.143-2021, the AES key derivation binding method; ISO 20038.
"""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from hmac import compare_digest
from typing import Final, NoReturn

from ota.card.keys import Algorithm
from ota.core.errors import NextAction, Refused
from ota.hsm_adapter.software.ciphers import Key, cmac, decipher_into, encipher_cbc, wipe

MAX_BLOCK: Final = 4096
_BLOCK: Final = 16
_MAC_CHARACTERS: Final = 32
_FIXED: Final = re.compile(
    r"D(\d{4})([0-9A-Z]{2})([0-9A-Z])([0-9A-Z])([0-9A-Za-z]{2})([0-9A-Z])(\d\d)00", re.ASCII
)
_FIXED_LENGTH: Final = 16
_PADDING: Final = "PB"
_OPTIONAL: Final = re.compile(r"([0-9A-Z]{2})([0-9A-F]{2})", re.ASCII)
_PRINTABLE: Final = re.compile(r"[ -~]*", re.ASCII)
_HEXADECIMAL: Final = re.compile(r"(?:[0-9A-F]{2})+", re.ASCII)

# Derivation data (X9.143, table of the AES key derivation): counter, usage, separator, algorithm, length in bits
_ENCRYPTION: Final = b"\x00\x00"
_AUTHENTICATION: Final = b"\x00\x01"
_ALGORITHM: Final = {16: b"\x00\x02", 24: b"\x00\x03", 32: b"\x00\x04"}

_LONGEST: Final = {"T": 24, "A": 32}
"""Keys of these algorithms are padded to the longest of them, so that a block does not tell how long they are."""


class KeyBlockRefused(Refused):
    """A key block is malformed, altered, under another transport key, or carries another key than was expected."""

    code = "key_block_refused"
    next_action = NextAction.CONTACT_SERVICE

    def __init__(self, why: str) -> None:
        super().__init__(
            english=f"The key block is refused: {why}.",
            chinese=f"密钥块被拒绝: {why}。",
            details={"why": why},
        )


@dataclass(frozen=True, slots=True)
class Header:
    """What the block says in clear of its key: X9.143's codes, two optional blocks at most being ours.

    ``optional`` holds pairs of a 2-character id and printable text, in their order, without the padding block.
    """

    usage: str
    algorithm: str
    mode: str
    version: str
    exportability: str
    optional: tuple[tuple[str, str], ...] = ()

    def encode(self, payload_characters: int) -> str:
        """The header as characters; with optional blocks, padded to whole cipher blocks."""
        blocks = "".join(_optional(name, text) for name, text in self.optional)
        count = len(self.optional)
        if missing := -len(blocks) % _BLOCK:
            # A block has 4 characters before its text; where fewer are missing it goes one cipher block further.
            fill = missing - 4 if missing >= 4 else missing + _BLOCK - 4
            blocks += _optional(_PADDING, "0" * fill)
            count += 1
        length = _FIXED_LENGTH + len(blocks) + payload_characters
        fixed = f"{self.usage}{self.algorithm}{self.mode}{self.version}{self.exportability}"
        return f"D{length:04d}{fixed}{count:02d}00{blocks}"

    def text(self, name: str) -> str | None:
        """The text of the optional block with this id, or None."""
        return dict(self.optional).get(name)


def wrap(protection_key: Key, header: Header, key: Key) -> str:
    """The key block; ``protection_key`` is 16, 24 or 32 bytes of AES."""
    longest = max(len(key), _LONGEST.get(header.algorithm, 0))
    length = 2 + longest
    payload = bytearray(secrets.token_bytes(length + -length % _BLOCK))
    target = memoryview(payload)
    target[:2] = (len(key) * 8).to_bytes(2, "big")
    target[2 : 2 + len(key)] = key
    head = header.encode(2 * len(payload) + _MAC_CHARACTERS)
    mac, cipher = _sealed(protection_key, head, payload)
    target.release()
    wipe(payload)
    return f"{head}{cipher.hex().upper()}{mac.hex().upper()}"


def unwrap(protection_key: Key, block: str) -> tuple[Header, bytearray]:
    """The header and the key, in a buffer that the caller wipes; raises KeyBlockRefused at the first doubt."""
    header, end = _read_header(block)
    body = block[end:]
    if (
        not _HEXADECIMAL.fullmatch(body)
        or len(body) % (2 * _BLOCK)
        or len(body) < 2 * _BLOCK + _MAC_CHARACTERS
    ):
        _refuse("its key is not whole blocks of upper-case hexadecimal digits")
    cipher, mac = bytes.fromhex(body[:-_MAC_CHARACTERS]), bytes.fromhex(body[-_MAC_CHARACTERS:])
    payload = _opened(protection_key, block[:end], cipher, mac)
    bits = int.from_bytes(payload[:2], "big")
    if bits % 8 or not 0 < bits // 8 <= len(payload) - 2:
        wipe(payload)
        _refuse("it states an impossible length of its key")
    key = bytearray(bits // 8)
    memoryview(key)[:] = memoryview(payload)[2 : 2 + len(key)]
    wipe(payload)
    return header, key


def read_header(block: str) -> Header:
    """What the block claims to carry. Nothing is proven until `unwrap` has checked it. Raises KeyBlockRefused."""
    return _read_header(block)[0]


def _optional(name: str, text: str) -> str:
    return f"{name}{len(text) + 4:02X}{text}"


def _sealed(protection_key: Key, head: str, payload: bytearray) -> tuple[bytes, bytes]:
    encryption, authentication = _derived(protection_key)
    message = bytearray(head.encode()) + payload
    mac = cmac(authentication, message)
    cipher = encipher_cbc(
        Algorithm.AES128, encryption, payload, mac
    )  # the cipher takes its size from the key
    wipe(encryption, authentication, message)
    return mac, cipher


def _opened(protection_key: Key, head: str, cipher: bytes, mac: bytes) -> bytearray:
    """The payload, once its MAC, which is also the IV, has proven header and key."""
    encryption, authentication = _derived(protection_key)
    payload = decipher_into(encryption, cipher, mac)
    message = bytearray(head.encode()) + payload
    genuine = compare_digest(cmac(authentication, message), mac)
    wipe(encryption, authentication, message)
    if not genuine:
        wipe(payload)
        _refuse("it was altered or is under another transport key")
    return payload


def _derived(protection_key: Key) -> tuple[bytearray, bytearray]:
    """The block encryption key and the block authentication key, both as long as the key they come from."""
    length = len(protection_key)
    tail = b"\x00" + _ALGORITHM[length] + (length * 8).to_bytes(2, "big")
    return _from_cmac(protection_key, _ENCRYPTION + tail), _from_cmac(protection_key, _AUTHENTICATION + tail)


def _from_cmac(protection_key: Key, data: bytes) -> bytearray:
    key = bytearray()
    for counter in range(1, -(-len(protection_key) // _BLOCK) + 1):
        key += cmac(protection_key, bytes((counter,)) + data)
    del key[len(protection_key) :]
    return key


def _read_header(block: str) -> tuple[Header, int]:
    """The header and where it ends."""
    fixed = _FIXED.match(block)
    if fixed is None:
        _refuse("it does not begin like a block of version D")
    stated, usage, algorithm, mode, version, exportability, count = fixed.groups()
    if int(stated) != len(block) or len(block) > MAX_BLOCK:
        _refuse("its length is not the one that it states")
    optional, end = _read_optional(block, int(count))
    return Header(usage, algorithm, mode, version, exportability, optional), end


def _read_optional(block: str, count: int) -> tuple[tuple[tuple[str, str], ...], int]:
    found: dict[str, str] = {}
    place = _FIXED_LENGTH
    for _ in range(count):
        start = _OPTIONAL.match(block, place)
        length = int(start[2], 16) if start else 0
        text = block[place + 4 : place + length]
        if start is None or length < 4 or len(text) != length - 4 or not _PRINTABLE.fullmatch(text):
            _refuse("an optional block is malformed or longer than 255 characters")
        if start[1] in found:
            _refuse(f"the optional block {start[1]} stands there twice")
        found[start[1]] = text
        place += length
    if _PADDING in list(found)[:-1]:
        _refuse("the padding block is not the last one")
    if place % _BLOCK:
        _refuse("its header is not whole cipher blocks")
    return tuple((name, text) for name, text in found.items() if name != _PADDING), place


def _refuse(why: str) -> NoReturn:
    raise KeyBlockRefused(why)
