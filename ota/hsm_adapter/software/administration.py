"""Who may change the key store: an administrator whose signing key opens with a passphrase, and nobody else.

A server reads keys with the key-encryption key alone. A changed catalogue must also be signed, and the signing key
is sealed under a passphrase that no server knows (ADR 0017).
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from ota.core.errors import NextAction, Refused
from ota.hsm_adapter.errors import KeyStoreDamaged
from ota.hsm_adapter.software.ciphers import wipe
from ota.hsm_adapter.software.kek import Seal

MIN_PASSPHRASE: Final = 12
SIGNATURE_LENGTH: Final = 64
_PURPOSE: Final = "administrator"
_SALT_LENGTH: Final = 16
_KEY_LENGTH: Final = 32
_COST: Final = 2**15  # 32 MiB and about a tenth of a second for each guess (RFC 7914)


class AdministrationRefused(Refused):
    """The key store is changed by its administrator only, and this is not the administrator."""

    code = "administration_refused"
    next_action = NextAction.CONTACT_SERVICE

    def __init__(self, english: str, chinese: str) -> None:
        super().__init__(english=english, chinese=chinese)


def wrong_passphrase() -> AdministrationRefused:
    """The passphrase does not open the administrator's key."""
    return AdministrationRefused("The administrator's passphrase is wrong.", "密钥管理员口令错误。")


def passphrase_needed() -> AdministrationRefused:
    """The store has an administrator who was not asked."""
    return AdministrationRefused(
        "Only the administrator, with the passphrase, changes this key store.",
        "此密钥库只能由密钥管理员凭口令变更。",
    )


def nobody_appointed() -> AdministrationRefused:
    """Production keys are not kept in a store that anybody may change."""
    return AdministrationRefused(
        "The key store has no administrator yet; appoint one with `ota keys appoint`.",
        "密钥库尚未指定管理员, 请先执行 `ota keys appoint`。",
    )


@dataclass(frozen=True, slots=True)
class AdministratorRecord:
    """What the catalogue says of its administrator: the public key, and the private one sealed under a passphrase."""

    public: bytes
    salt: bytes
    sealed: bytes

    @property
    def fingerprint(self) -> str:
        """16 hexadecimal digits of the public key's SHA-256: officers compare it with the one of the appointment."""
        return fingerprint_of(self.public)

    def check(self, content: bytes, signature: bytes | None) -> None:
        """Raise KeyStoreDamaged unless the administrator signed the content."""
        try:
            Ed25519PublicKey.from_public_bytes(self.public).verify(signature or b"", content)
        except InvalidSignature:
            raise KeyStoreDamaged("it was changed without its administrator") from None


def fingerprint_of(public: bytes) -> str:
    """A public key as people compare it."""
    return sha256(public).hexdigest()[:16]


class Administrator:
    """The administrator, unlocked for as long as this object lives."""

    def __init__(self, record: AdministratorRecord, key: Ed25519PrivateKey) -> None:
        self.record: Final = record
        self._key = key

    def __repr__(self) -> str:
        return f"Administrator({self.record.fingerprint})"

    def sign(self, content: bytes) -> bytes:
        """64 bytes of Ed25519 (RFC 8032)."""
        return self._key.sign(content)


def appoint(passphrase: str) -> Administrator:
    """A new administrator; raises AdministrationRefused for a short passphrase."""
    if len(passphrase.strip()) < MIN_PASSPHRASE:
        raise AdministrationRefused(
            f"The passphrase must have at least {MIN_PASSPHRASE} characters.",
            f"口令至少需要 {MIN_PASSPHRASE} 个字符。",
        )
    key = Ed25519PrivateKey.generate()
    salt = secrets.token_bytes(_SALT_LENGTH)
    private = bytearray(key.private_bytes_raw())
    public = key.public_key().public_bytes_raw()
    sealed = _seal(passphrase, salt).close(private, public)
    wipe(private)
    return Administrator(AdministratorRecord(public, salt, sealed), key)


def unlock(record: AdministratorRecord, passphrase: str) -> Administrator:
    """The administrator of a store; raises AdministrationRefused for another passphrase."""
    try:
        private = _seal(passphrase, record.salt).open(record.sealed, record.public)
    except KeyStoreDamaged:
        raise wrong_passphrase() from None
    key = Ed25519PrivateKey.from_private_bytes(private)
    wipe(private)
    return Administrator(record, key)


def _seal(passphrase: str, salt: bytes) -> Seal:
    key = bytearray(Scrypt(salt, _KEY_LENGTH, _COST, 8, 1).derive(passphrase.encode()))
    seal = Seal(key, _PURPOSE)
    wipe(key)
    return seal
