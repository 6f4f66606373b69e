"""HTTP Message Signatures (RFC 9421) as a city's own software would write them; shares no line with the platform."""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

_REQUEST: Final = ("@method", "@path", "content-digest", "date")


class Forged(Exception):
    """A message is not signed by whom it should be."""


@dataclass(frozen=True, slots=True)
class Post:
    """A signed POST; header names in lower case."""

    path: str
    body: bytes = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class Said:
    """An answer; header names in lower case."""

    status: int
    body: bytes = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class Signature:
    """A private ES256 key and its id."""

    key_id: str
    private: ec.EllipticCurvePrivateKey = field(repr=False)

    @classmethod
    def make(cls, key_id: str) -> Signature:
        """A new key."""
        return cls(key_id, ec.generate_private_key(ec.SECP256R1()))

    @property
    def public(self) -> tuple[str, str]:
        """The JWK members x and y."""
        numbers = self.private.public_key().public_numbers()
        return _base64url(numbers.x), _base64url(numbers.y)

    def post(self, path: str, body: bytes, now: float | None = None) -> Post:
        """A signed request."""
        now = time.time() if now is None else now
        headers = _content(body, now)
        parameters = f'{self._parameters(now)};nonce="{secrets.token_hex(16)}"'
        values = {"@method": "POST", "@path": path, **headers}
        return Post(
            path, body, headers | self._sign({f'"{name}"': values[name] for name in _REQUEST}, parameters)
        )

    def say(self, post: Post, status: int, body: bytes, now: float | None = None) -> Said:
        """A signed answer to a signed request."""
        now = time.time() if now is None else now
        headers = _content(body, now)
        return Said(status, body, headers | self._sign(_answer(post, status, headers), self._parameters(now)))

    def _parameters(self, now: float) -> str:
        return f';created={int(now)};keyid="{self.key_id}";alg="ecdsa-p256-sha256"'

    def _sign(self, covered: Mapping[str, str], parameters: str) -> dict[str, str]:
        text = f"({' '.join(covered)}){parameters}"
        r, s = decode_dss_signature(self.private.sign(_base(covered, text), ec.ECDSA(SHA256())))
        signature = base64.b64encode(r.to_bytes(32, "big") + s.to_bytes(32, "big")).decode()
        return {"signature-input": f"city={text}", "signature": f"city=:{signature}:"}


def check_post(post: Post, keys: Mapping[str, tuple[str, str]]) -> None:
    """Raise Forged unless one of the keys (id to x and y) signed the request."""
    values = {"@method": "POST", "@path": post.path, **post.headers}
    _check({f'"{name}"': values.get(name, "") for name in _REQUEST}, post.headers, post.body, keys)


def check_said(said: Said, post: Post, keys: Mapping[str, tuple[str, str]]) -> None:
    """Raise Forged unless one of the keys signed this answer to this request."""
    _check(_answer(post, said.status, said.headers), said.headers, said.body, keys)


def _answer(post: Post, status: int, headers: Mapping[str, str]) -> dict[str, str]:
    return {
        '"@status"': str(status),
        '"content-digest"': headers.get("content-digest", ""),
        '"date"': headers.get("date", ""),
        '"@method";req': "POST",
        '"@path";req': post.path,
        '"content-digest";req': post.headers.get("content-digest", ""),
        '"signature";req': post.headers.get("signature", ""),
    }


def _check(
    covered: Mapping[str, str], headers: Mapping[str, str], body: bytes, keys: Mapping[str, tuple[str, str]]
) -> None:
    """What this city expects is exactly the agreed components, in the agreed order."""
    label, _, text = headers.get("signature-input", "").partition("=")
    key_id = re.search(r';keyid="([^"]+)"', text)
    found = re.fullmatch(re.escape(label) + r"=:([A-Za-z0-9+/=]{88}):", headers.get("signature", ""))
    if not text.startswith(f"({' '.join(covered)});") or key_id is None or found is None:
        raise Forged("not signed as agreed")
    if key_id[1] not in keys or headers.get("content-digest") != _digest(body):
        raise Forged("an unknown key, or another body")
    signature = base64.b64decode(found[1])
    der = encode_dss_signature(int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big"))
    try:
        _public(*keys[key_id[1]]).verify(der, _base(covered, text), ec.ECDSA(SHA256()))
    except InvalidSignature:
        raise Forged("the signature does not hold") from None


def _base(covered: Mapping[str, str], text: str) -> bytes:
    lines = [f"{name}: {value}\n" for name, value in covered.items()]
    return ("".join(lines) + f'"@signature-params": {text}').encode()


def _content(body: bytes, now: float) -> dict[str, str]:
    return {
        "content-type": "application/json",
        "content-digest": _digest(body),
        "date": formatdate(now, usegmt=True),
    }


def _digest(body: bytes) -> str:
    return f"sha-256=:{base64.b64encode(hashlib.sha256(body).digest()).decode()}:"


def _public(x: str, y: str) -> ec.EllipticCurvePublicKey:
    left, right = (int.from_bytes(base64.urlsafe_b64decode(f"{value}="), "big") for value in (x, y))
    return ec.EllipticCurvePublicNumbers(left, right, ec.SECP256R1()).public_key()


def _base64url(number: int) -> str:
    return base64.urlsafe_b64encode(number.to_bytes(32, "big")).rstrip(b"=").decode()
