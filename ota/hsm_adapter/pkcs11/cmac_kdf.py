"""The KDF of NIST SP 800-108 with AES-CMAC inside a token that knows neither: only the derived key's own block is secret.

CMAC (NIST SP 800-38B) enciphers, last of all, one block: the message's last, XORed with a subkey and with what came
before. Those are public here, the subkey being made from the cipher over zeros; so that last block is computed
outside, and the token enciphers it straight into a key (CKM_AES_ECB_ENCRYPT_DATA).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from ota.card.globalplatform.protection import pad
from ota.hsm_adapter.pkcs11.ciphers import AES
from ota.hsm_adapter.pkcs11.templates import session_key
from ota.hsm_adapter.software.ciphers import xor

if TYPE_CHECKING:
    from ota.hsm_adapter.pkcs11.templates import Use
    from ota.hsm_adapter.pkcs11.token import Handle, OpenToken

_BLOCK: Final = 16
_REDUCTION: Final = 0x87  # SP 800-38B, 5.3: R128


def derive(token: OpenToken, key: Handle, data: bytes, counter_at: int, length: int, use: Use) -> Handle:
    """A key of ``length`` bytes; one counter byte, from 1, is put into the data at its place."""
    steps = range(1, -(-length // _BLOCK) + 1)
    messages = [data[:counter_at] + bytes((step,)) + data[counter_at:] for step in steps]
    return token.derive(key, AES, _last_blocks(token, key, messages), session_key(AES, use, length))


def public_value(token: OpenToken, key: Handle, data: bytes, counter_at: int, length: int) -> bytes:
    """Up to 16 bytes by the same KDF, for what is sent in clear: cryptograms and challenges."""
    message = data[:counter_at] + b"\x01" + data[counter_at:]
    return token.public(key, AES, _last_blocks(token, key, [message]))[:length]


def _last_blocks(token: OpenToken, key: Handle, messages: Sequence[bytes]) -> bytes:
    """What CMAC enciphers last for each of several messages of one length."""
    cut = (len(messages[0]) - 1) // _BLOCK * _BLOCK
    heads = b"".join(message[:_BLOCK] for message in messages) if cut else b""
    answer = token.public(key, AES, bytes(_BLOCK) + heads)
    zeros, chains = answer[:_BLOCK], answer[_BLOCK:] or bytes(_BLOCK * len(messages))
    for start in range(_BLOCK, cut, _BLOCK):
        blocks = b"".join(message[start : start + _BLOCK] for message in messages)
        chains = token.public(key, AES, xor(chains, blocks))
    return xor(chains, b"".join(_masked(message[cut:], zeros) for message in messages))


def _masked(last: bytes, zeros: bytes) -> bytes:
    """A message's last block under the subkey for whole or for padded blocks (SP 800-38B, 6.1 and 6.2)."""
    subkey = _doubled(zeros)
    return xor(last, subkey) if len(last) == _BLOCK else xor(pad(last, _BLOCK), _doubled(subkey))


def _doubled(block: bytes) -> bytes:
    value = int.from_bytes(block, "big") << 1
    carried = value >> 128
    return ((value ^ carried * _REDUCTION) & (1 << 128) - 1).to_bytes(_BLOCK, "big")
