"""VERIFY, CHANGE, RELOAD and UNBLOCK PIN (CARD.md 1.2, 1.7, 2.6)."""

from __future__ import annotations

from ota.sandbox.element import purse_crypto
from ota.sandbox.element.apdu import Command
from ota.sandbox.element.crypto import same
from ota.sandbox.element.keyring import Role
from ota.sandbox.element.pin import LENGTHS
from ota.sandbox.element.purse import Purse
from ota.sandbox.element.secure_messaging import MAC_LENGTH, SecureMessaging
from ota.sandbox.element.status import MAC_WRONG, WRONG_DATA, WRONG_LENGTH, WRONG_P1P2, require

_SEPARATOR = b"\xff"


def verify(purse: Purse, command: Command) -> bytes:
    """Compare the PIN."""
    require(command.reference == 0, WRONG_P1P2)
    require(len(command.data) in LENGTHS, WRONG_LENGTH)
    purse.pin.verify(command.data)
    return b""


def change_or_reload(purse: Purse, command: Command) -> bytes:
    """CHANGE (P1=01): the old PIN, FF, the new one. RELOAD (P1=00): the new PIN and a MAC under the PIN key."""
    require(command.p1 in (0, 1) and command.p2 == 0, WRONG_P1P2)
    if command.p1 == 1:
        old, separator, new = command.data.partition(_SEPARATOR)
        require(separator and len(new) in LENGTHS, WRONG_DATA)
        purse.pin.verify(old)
    else:
        new = _reloaded(purse, command.data)
    purse.pin.replace(new)
    return b""


def unblock(purse: Purse, command: Command, messaging: SecureMessaging) -> bytes:
    """Give the tries back (P2=00), with a new PIN (P2=01); the PIN comes enciphered under the PIN key."""
    require(command.p1 == 0 and command.p2 in (0, 1), WRONG_P1P2)
    cipher = messaging.unprotected(command, purse.keys, Role.PIN)
    key = purse.keys.by_role(Role.PIN)
    block = purse_crypto.block_length(key.algorithm)
    require(len(cipher) == block, WRONG_LENGTH)
    plain = purse_crypto.decipher(key.algorithm, key.value, cipher)
    value = plain[1 : 1 + plain[0]]
    require(len(value) in LENGTHS, WRONG_DATA)
    if command.p2 == 0:
        require(purse.pin.is_same(value), WRONG_DATA)
    purse.pin.replace(value)
    return b""


def _reloaded(purse: Purse, data: bytes) -> bytes:
    new, mac = data[:-MAC_LENGTH], data[-MAC_LENGTH:]
    key = purse.keys.by_role(Role.PIN)
    folded = purse_crypto.tac_key(key.algorithm, key.value, sm4_xor=False)
    expected = purse_crypto.transaction_mac(key.algorithm, folded, new)
    require(purse.keys.judge(Role.PIN, right=same(expected, mac)), MAC_WRONG)
    return new
