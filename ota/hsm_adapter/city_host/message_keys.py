"""The keys that sign messages between platforms: ours in a sealed file per name, the cities' as public points."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_private_key,
)

from ota.core.errors import InvalidValue
from ota.hsm_adapter.errors import KeyStoreDamaged
from ota.hsm_adapter.software.ciphers import wipe
from ota.hsm_adapter.software.kek import Seal, place_first, seals

ALGORITHM: Final = "ecdsa-p256-sha256"
_PURPOSE: Final = "message key"
_FIELD_BYTES: Final = 32
_SIGNATURE_BYTES: Final = 64
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,63}", re.ASCII)


class MessageKey:
    """One of the platform's own ES256 keys, named as the cities know it."""

    def __init__(self, name: str, private: ec.EllipticCurvePrivateKey) -> None:
        self.name: Final = name
        self._private = private

    @classmethod
    def open(cls, folder: Path, name: str) -> MessageKey:
        """The key of a data folder, made on first use; raises KeyStoreDamaged when its file was altered."""
        if not _NAME.fullmatch(name):
            raise InvalidValue("key_id", "1 to 64 lower-case letters, digits and dashes")
        (seal,) = seals(folder, _PURPOSE)
        path = folder / f"message-key-{name}"
        if not path.exists():
            place_first(path, _sealed_new_key(seal, name))
        return cls(name, _opened_key(seal, path, name))

    def __repr__(self) -> str:
        return f"MessageKey({self.name})"

    @property
    def public(self) -> MessageVerifier:
        """What checks this key's signatures."""
        return MessageVerifier(self._private.public_key())

    def sign(self, message: bytes) -> bytes:
        """The numbers r and s, 32 bytes each (RFC 9421 3.3.4)."""
        r, s = decode_dss_signature(self._private.sign(message, ec.ECDSA(SHA256())))
        return r.to_bytes(_FIELD_BYTES, "big") + s.to_bytes(_FIELD_BYTES, "big")


class MessageVerifier:
    """A public ES256 key."""

    def __init__(self, public: ec.EllipticCurvePublicKey) -> None:
        self._public = public

    @classmethod
    def from_point(cls, x: str, y: str) -> MessageVerifier:
        """From the JWK members x and y; raises InvalidValue for a point that is not on the curve."""
        try:
            numbers = ec.EllipticCurvePublicNumbers(_number(x), _number(y), ec.SECP256R1())
            return cls(numbers.public_key())
        except ValueError:
            raise InvalidValue("city_keys", "a point of P-256 as x and y in base64url") from None

    @property
    def point(self) -> tuple[str, str]:
        """The JWK members x and y."""
        numbers = self._public.public_numbers()
        return _text(numbers.x), _text(numbers.y)

    def holds(self, signature: bytes, message: bytes) -> bool:
        """Whether the signature is this key's over the message."""
        if len(signature) != _SIGNATURE_BYTES:
            return False
        r, s = signature[:_FIELD_BYTES], signature[_FIELD_BYTES:]
        der = encode_dss_signature(int.from_bytes(r, "big"), int.from_bytes(s, "big"))
        try:
            self._public.verify(der, message, ec.ECDSA(SHA256()))
        except InvalidSignature:
            return False
        return True


Verifiers = Mapping[str, MessageVerifier]


def verifiers(points: Iterable[tuple[str, str, str]]) -> Verifiers:
    """From (id, x, y) of each of a city's keys; raises InvalidValue."""
    return {key_id: MessageVerifier.from_point(x, y) for key_id, x, y in points}


def _sealed_new_key(seal: Seal, name: str) -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    der = bytearray(key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()))
    sealed = seal.close(der, name.encode())
    wipe(der)
    return sealed


def _opened_key(seal: Seal, path: Path, name: str) -> ec.EllipticCurvePrivateKey:
    der = seal.open(path.read_bytes(), name.encode())
    key = load_der_private_key(der, None)
    wipe(der)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise KeyStoreDamaged("a message key is of another kind")
    return key


def _number(text: str) -> int:
    return int.from_bytes(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)), "big")


def _text(number: int) -> str:
    return base64.urlsafe_b64encode(number.to_bytes(_FIELD_BYTES, "big")).rstrip(b"=").decode()
