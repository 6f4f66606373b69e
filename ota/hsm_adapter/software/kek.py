"""The key-encryption key: 32 random bytes in a file of mode 0600, with one subkey per purpose."""

from __future__ import annotations

import fcntl
import hmac
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from ota.hsm_adapter.errors import KeyStoreDamaged
from ota.hsm_adapter.software.ciphers import wipe

KEK_FILE: Final = "kek"
_LENGTH: Final = 32
NONCE_LENGTH: Final = 12
TAG_LENGTH: Final = 16
_LOCK_FILE: Final = "lock"
_OTHERS: Final = 0o077


class Seal:
    """AES-256-GCM for one purpose under the key-encryption key: nonce, cipher text and tag in one value."""

    def __init__(self, kek: bytes | bytearray, purpose: str) -> None:
        key = bytearray(_LENGTH)
        HKDF(SHA256(), _LENGTH, None, f"ota {purpose}".encode()).derive_into(kek, key)
        self._cipher = AESGCM(key)
        wipe(key)
        self._purpose = purpose

    def __repr__(self) -> str:
        return f"Seal({self._purpose})"

    def close(self, plain: bytes | bytearray, associated: bytes) -> bytes:
        """Encipher and authenticate together with the associated data."""
        nonce = secrets.token_bytes(NONCE_LENGTH)
        return nonce + self._cipher.encrypt(nonce, plain, associated)

    def open(self, sealed: bytes, associated: bytes) -> bytearray:
        """The plain value, in a buffer that can be wiped; raises KeyStoreDamaged."""
        nonce, cipher = sealed[:NONCE_LENGTH], sealed[NONCE_LENGTH:]
        if len(cipher) < TAG_LENGTH:
            raise KeyStoreDamaged(f"the {self._purpose} is too short")
        plain = bytearray(len(cipher) - TAG_LENGTH)
        try:
            self._cipher.decrypt_into(nonce, cipher, associated, plain)
        except InvalidTag:
            raise KeyStoreDamaged(f"the {self._purpose} was altered or belongs to another key") from None
        return plain


class Stamp:
    """HMAC-SHA-256 for one purpose under the key-encryption key; for what is made by the thousand.

    GCM's random nonces are good for some 2^32 values (SP 800-38D 8.3), which the tickets of channels would use up.
    """

    def __init__(self, kek: bytes | bytearray, purpose: str) -> None:
        key = bytearray(_LENGTH)
        HKDF(SHA256(), _LENGTH, None, f"ota {purpose}".encode()).derive_into(kek, key)
        self._hmac = hmac.new(key, digestmod="sha256")
        wipe(key)
        self._purpose = purpose

    def __repr__(self) -> str:
        return f"Stamp({self._purpose})"

    def of(self, content: bytes) -> bytes:
        """32 bytes that only this key-encryption key makes of the content."""
        made = self._hmac.copy()
        made.update(content)
        return made.digest()


def stamp(folder: Path, purpose: str) -> Stamp:
    """A stamp of a data folder; raises what `seals` raises."""
    kek = _read_or_make(folder / KEK_FILE)
    made = Stamp(kek, purpose)
    wipe(kek)
    return made


def seals(folder: Path, *purposes: str) -> tuple[Seal, ...]:
    """The seals of a data folder; its key-encryption key is made on first use.

    Raises KeyStoreDamaged when the file has another length or others than its owner may read it.
    """
    kek = _read_or_make(folder / KEK_FILE)
    made = tuple(Seal(kek, purpose) for purpose in purposes)
    wipe(kek)
    return made


def write_private(path: Path, content: bytes) -> None:
    """Put a file in place whole or not at all, readable by its owner only, and on disk before this returns."""
    fresh = path.with_name(f"{path.name}.{secrets.token_hex(4)}.new")
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make a new name in a folder survive a loss of power."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def place_first(path: Path, content: bytes) -> None:
    """Put a file in place unless another process was first; then that one's stays. No copy of it is ever made."""
    with exclusively(path.parent):
        if not path.exists():
            sweep(path)
            write_private(path, content)


def sweep(path: Path) -> None:
    """Remove what a process that died left beside a file that it was about to put in place; hold the folder."""
    for left in path.parent.glob(f"{path.name}.*.new"):
        left.unlink()


@contextmanager
def exclusively(folder: Path) -> Iterator[None]:
    """Hold a data folder: one process and thread at a time. The lock goes with the process that dies."""
    lock = os.open(folder / _LOCK_FILE, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def _read_or_make(path: Path) -> bytearray:
    if not path.exists():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        place_first(path, secrets.token_bytes(_LENGTH))
    if path.stat().st_mode & _OTHERS:
        raise KeyStoreDamaged(f"{path.name} may be read by others than its owner (mode 0600 expected)")
    kek = bytearray(path.read_bytes())
    if len(kek) != _LENGTH:
        raise KeyStoreDamaged(f"{path.name} has another length than {_LENGTH} bytes")
    return kek
