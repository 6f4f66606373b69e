"""The platform's own ES256 key: tokens and receipts as compact JWS (RFC 7515, RFC 7519), verified strictly."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_private_key,
)

from ota.core.clock import SystemClock
from ota.core.errors import InvalidValue, Unauthenticated
from ota.hsm_adapter.errors import KeyStoreDamaged
from ota.hsm_adapter.software.ciphers import wipe
from ota.hsm_adapter.software.kek import Seal, place_first, seals

if TYPE_CHECKING:
    from ota.core.clock import Clock

SIGNING_FILE: Final = "signing-key"
ALGORITHM: Final = "ES256"
MAX_TOKEN: Final = 4096
_PURPOSE: Final = "signing key"
_FIELD_BYTES: Final = 32
_CLOCK: Final = SystemClock()


class Es256Signer:
    """The `Signer` port over a key that is made in the data folder on first use, sealed under its KEK.

    ``clock`` judges exp and nbf; a simulation hands in its own.
    """

    def __init__(self, key: ec.EllipticCurvePrivateKey, clock: Clock = _CLOCK) -> None:
        self._private = key
        self._public = key.public_key()
        self._clock = clock
        self._jwk = _public_jwk(self._public)
        self.kid: Final = self._jwk["kid"]
        """The key's id: its RFC 7638 thumbprint."""

    @classmethod
    def open(cls, folder: Path, clock: Clock = _CLOCK) -> Es256Signer:
        """The signer of a data folder; raises KeyStoreDamaged when its file was altered."""
        (seal,) = seals(folder, _PURPOSE)
        path = folder / SIGNING_FILE
        if not path.exists():
            place_first(path, _sealed_new_key(seal))
        return cls(_opened_key(seal, path), clock)

    def __repr__(self) -> str:
        return f"Es256Signer({self.kid})"

    def sign(self, claims: Mapping[str, object], *, type_: str) -> str:
        """A compact JWS over the claims; raises InvalidValue when it would be longer than 4 KiB."""
        headers = {"kid": self.kid, "typ": type_}
        token = jwt.encode(dict(claims), self._private, algorithm=ALGORITHM, headers=headers)
        if len(token) > MAX_TOKEN:
            raise InvalidValue("claims", f"a token of at most {MAX_TOKEN} characters")
        return token

    def verify(self, token: str, *, type_: str, audience: str, required: Sequence[str]) -> dict[str, Any]:
        """The claims of a token that this key signed, of this type, for this audience, not expired.

        ``aud`` and every claim in ``required`` must be there. Raises Unauthenticated for anything else.
        """
        if len(token) > MAX_TOKEN:
            raise Unauthenticated
        try:
            self._check_header(jwt.get_unverified_header(token), type_)
            claims: dict[str, Any] = jwt.decode(
                token,
                self._public,
                algorithms=[ALGORITHM],
                audience=audience,
                options={
                    "require": ["aud", *required],
                    "strict_aud": True,
                    # judged below, by the platform's clock
                    "verify_exp": False,
                    "verify_nbf": False,
                    "verify_iat": False,
                },
            )
        except jwt.PyJWTError:
            raise Unauthenticated from None
        self._check_times(claims)
        return claims

    def jwks(self) -> dict[str, Any]:
        """The public key as a JWK set (RFC 7517)."""
        return {"keys": [dict(self._jwk)]}

    def _check_header(self, header: Mapping[str, object], type_: str) -> None:
        expected = {"alg": ALGORITHM, "kid": self.kid, "typ": type_}
        if dict(header) != expected:  # neither another algorithm nor jku, x5u, jwk or crit
            raise Unauthenticated

    def _check_times(self, claims: Mapping[str, object]) -> None:
        now = self._clock.now().timestamp()
        expires, not_before = claims.get("exp", math.inf), claims.get("nbf", -math.inf)
        if not isinstance(expires, int | float) or not isinstance(not_before, int | float):
            raise Unauthenticated
        if not not_before <= now < expires:
            raise Unauthenticated


def _public_jwk(key: ec.EllipticCurvePublicKey) -> dict[str, str]:
    numbers = key.public_numbers()
    required = {"crv": "P-256", "kty": "EC", "x": _base64(numbers.x), "y": _base64(numbers.y)}
    # RFC 7638: the required members only, in lexical order, without white space
    digest = sha256(json.dumps(required, separators=(",", ":"), sort_keys=True).encode()).digest()
    return {**required, "alg": ALGORITHM, "use": "sig", "kid": _base64_bytes(digest)}


def _sealed_new_key(seal: Seal) -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    der = bytearray(key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()))
    sealed = seal.close(der, ALGORITHM.encode())
    wipe(der)
    return sealed


def _opened_key(seal: Seal, path: Path) -> ec.EllipticCurvePrivateKey:
    der = seal.open(path.read_bytes(), ALGORITHM.encode())
    key = load_der_private_key(der, None)
    wipe(der)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise KeyStoreDamaged("the signing key is of another kind")
    return key


def _base64(number: int) -> str:
    return _base64_bytes(number.to_bytes(_FIELD_BYTES, "big"))


def _base64_bytes(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()
