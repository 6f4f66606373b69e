"""The e-purse's secure messaging: a challenge fetched just before, a MAC of four bytes after it (CARD.md 2.6)."""

from __future__ import annotations

from ota.sandbox.element import purse_crypto
from ota.sandbox.element.apdu import Command, refuse_wrong_le
from ota.sandbox.element.chance import Random
from ota.sandbox.element.crypto import des, encrypt, same
from ota.sandbox.element.keyring import Keyring, PurseKey, Role
from ota.sandbox.element.purse_crypto import Algorithm
from ota.sandbox.element.status import (
    AUTHENTICATION_BLOCKED,
    MAC_MISSING,
    MAC_WRONG,
    RANDOM_INVALID,
    REFERENCE_NOT_FOUND,
    TRIES_LEFT,
    WRONG_LENGTH,
    WRONG_P1P2,
    CardError,
    needed,
    require,
)

MAC_LENGTH = 4
_SM4_INDEX = 0x40
_AUTHENTICATION_ROLES = {0x00: Role.CARD_CONTROL, 0x01: Role.APP_CONTROL, 0x02: Role.APP_MAINTENANCE}
"""Which key EXTERNAL AUTHENTICATE means by its identifier; this card's own choice, real ones differ."""


class SecureMessaging:
    """The challenge of one application: good for the very next command and for no other."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._given: bytes | None = None
        self._live: bytes | None = None

    def forget(self) -> None:
        """No challenge counts any more."""
        self._given = self._live = None

    def command_arrives(self) -> None:
        """Let the challenge given by the command before count, and no older one."""
        self._live, self._given = self._given, None

    def get_challenge(self, command: Command) -> bytes:
        """Answer 4 or 8 random bytes."""
        require(command.reference == 0, WRONG_P1P2)
        require(command.le in (4, 8) and not command.data, WRONG_LENGTH)
        self._given = self._random(command.le or 4)
        return self._given

    def unprotected(self, command: Command, keys: Keyring, role: Role) -> bytes:
        """Check the MAC at the end of the data and give what stands before it."""
        return self.unprotected_by(command, keys, keys.by_role(role), role)

    def unprotected_by(self, command: Command, keys: Keyring, key: PurseKey, role: Role) -> bytes:
        """The same with a key that was picked already; its tries are counted under its role."""
        require(keys.tries_left(role), AUTHENTICATION_BLOCKED)
        random = needed(self._live, RANDOM_INVALID)
        require(len(command.data) >= MAC_LENGTH, MAC_MISSING)
        data, mac = command.data[:-MAC_LENGTH], command.data[-MAC_LENGTH:]
        message = command.header + bytes((len(command.data),)) + data
        expected = purse_crypto.command_mac(key.algorithm, key.value, random, message)
        require(keys.judge(role, right=same(expected, mac)), MAC_WRONG)
        return data

    def external_authenticate(self, command: Command, keys: Keyring) -> bytes:
        """Check the terminal's cryptogram; 63Cx tells the tries left."""
        require(command.p1 == 0, WRONG_P1P2)
        require(len(command.data) == 8, WRONG_LENGTH)
        role = needed(_AUTHENTICATION_ROLES.get(command.p2 & ~_SM4_INDEX), REFERENCE_NOT_FOUND)
        key = keys.by_role(role, Algorithm.SM4 if command.p2 & _SM4_INDEX else None)
        random = needed(self._live, RANDOM_INVALID)
        expected = purse_crypto.authentication(key.algorithm, key.value, random)
        if not keys.judge(role, right=same(expected, command.data)):
            raise CardError(TRIES_LEFT | keys.tries_left(role))
        return b""


def internal_authenticate(command: Command, keys: Keyring) -> bytes:
    """Encipher the terminal's 8 bytes under the internal key, which is the TAC key (CARD.md 2.1)."""
    require(command.p1 == 0, WRONG_P1P2)
    require(len(command.data) == 8, WRONG_LENGTH)
    refuse_wrong_le(command, 8)
    return encrypt(des(keys.by_role(Role.TAC, Algorithm.TDES).value), command.data)
