from __future__ import annotations

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from ota.core.errors import InvalidValue, Unauthenticated
from ota.hsm_adapter.errors import KeyStoreDamaged
from ota.hsm_adapter.signing import SIGNING_FILE, Es256Signer
from ota.hsm_adapter.software.kek import seals

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
AUDIENCE = "ota"


class Noon:
    """A clock that stands still."""

    def now(self) -> datetime:
        return NOW


@pytest.fixture
def signer(tmp_path: Path) -> Es256Signer:
    return Es256Signer.open(tmp_path, Noon())


def claims(**changes: object) -> dict[str, object]:
    expires = int((NOW + timedelta(minutes=5)).timestamp())
    given: dict[str, object] = {"sub": "wallet", "aud": AUDIENCE, "exp": expires, **changes}
    return {name: value for name, value in given.items() if value is not None}


def verify(signer: Es256Signer, token: str) -> dict[str, object]:
    return signer.verify(token, type_="at+jwt", audience=AUDIENCE, required=["sub", "exp"])


def test_a_signed_token_is_verified(signer: Es256Signer) -> None:
    token = signer.sign(claims(), type_="at+jwt")

    assert verify(signer, token) == claims()


def test_the_key_stays_the_same_in_its_folder(tmp_path: Path) -> None:
    token = Es256Signer.open(tmp_path, Noon()).sign(claims(), type_="at+jwt")

    assert verify(Es256Signer.open(tmp_path, Noon()), token)["sub"] == "wallet"
    assert (tmp_path / SIGNING_FILE).stat().st_mode & 0o077 == 0


def test_the_public_key_verifies_elsewhere_by_its_thumbprint(signer: Es256Signer) -> None:
    token = signer.sign(claims(), type_="at+jwt")
    (jwk,) = signer.jwks()["keys"]

    public = jwt.PyJWK(jwk)
    seen = jwt.decode(
        token, public.key, algorithms=["ES256"], audience=AUDIENCE, options={"verify_exp": False}
    )

    required = json.dumps({name: jwk[name] for name in ("crv", "kty", "x", "y")}, separators=(",", ":"))
    assert seen["sub"] == "wallet"
    assert jwk["kid"] == urlsafe_b64encode(sha256(required.encode()).digest()).rstrip(b"=").decode()
    assert "d" not in jwk


@pytest.mark.parametrize(
    "changes",
    [
        {"aud": None},
        {"aud": "elsewhere"},
        {"aud": [AUDIENCE]},
        {"sub": None},
        {"exp": None},
        {"exp": int(NOW.timestamp())},
        {"exp": "later"},
        {"exp": float("nan")},
        {"nbf": int(NOW.timestamp()) + 1},
        {"nbf": [1]},
    ],
)
def test_claims_that_do_not_hold_are_refused(signer: Es256Signer, changes: dict[str, object]) -> None:
    token = jwt.encode(
        claims(**changes), signer._private, "ES256", headers={"kid": signer.kid, "typ": "at+jwt"}
    )

    with pytest.raises(Unauthenticated):
        verify(signer, token)


@pytest.mark.parametrize(
    "header",
    [
        {"typ": "receipt+jwt"},
        {"kid": "another"},
        {"jku": "https://evil.example/keys"},
        {"x5u": "https://evil.example/cert"},
        {"jwk": {"kty": "EC"}},
        {"crit": ["b64"]},
        {"zip": "DEF"},
    ],
)
def test_a_header_with_anything_else_is_refused(signer: Es256Signer, header: dict[str, object]) -> None:
    token = jwt.encode(
        claims(), signer._private, "ES256", headers={"kid": signer.kid, "typ": "at+jwt", **header}
    )

    with pytest.raises(Unauthenticated):
        verify(signer, token)


def test_another_key_or_algorithm_is_refused(signer: Es256Signer) -> None:
    headers = {"kid": signer.kid, "typ": "at+jwt"}
    (jwk,) = signer.jwks()["keys"]
    forged = [
        jwt.encode(claims(), ec.generate_private_key(ec.SECP256R1()), "ES256", headers=headers),
        jwt.encode(claims(), jwk["x"].encode(), "HS256", headers=headers),
        jwt.encode(claims(), "", "none", headers=headers),
    ]

    for token in forged:
        with pytest.raises(Unauthenticated):
            verify(signer, token)


def test_every_changed_character_is_refused_or_means_the_same(signer: Es256Signer) -> None:
    token = signer.sign(claims(), type_="at+jwt")

    for position in range(0, len(token), 7):
        changed = token[:position] + ("A" if token[position] != "A" else "B") + token[position + 1 :]
        with pytest.raises(Unauthenticated):
            verify(signer, changed)


@pytest.mark.parametrize("token", ["", ".", "..", "a.b.c", "é.é.é", "x" * 5000, "\x00"])
def test_something_else_is_no_token(signer: Es256Signer, token: str) -> None:
    with pytest.raises(Unauthenticated):
        verify(signer, token)


def test_a_token_is_at_most_four_kibibytes(signer: Es256Signer) -> None:
    with pytest.raises(InvalidValue):
        signer.sign(claims(note="x" * 4096), type_="at+jwt")


def test_a_changed_key_file_is_refused(tmp_path: Path) -> None:
    Es256Signer.open(tmp_path)
    content = bytearray((tmp_path / SIGNING_FILE).read_bytes())
    content[40] ^= 1
    (tmp_path / SIGNING_FILE).write_bytes(content)

    with pytest.raises(KeyStoreDamaged):
        Es256Signer.open(tmp_path)


def test_a_key_of_another_kind_is_refused(tmp_path: Path) -> None:
    (seal,) = seals(tmp_path, "signing key")
    der = Ed25519PrivateKey.generate().private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    (tmp_path / SIGNING_FILE).write_bytes(seal.close(der, b"ES256"))

    with pytest.raises(KeyStoreDamaged, match="another kind"):
        Es256Signer.open(tmp_path)


def test_a_signer_shows_its_key_id_only(signer: Es256Signer) -> None:
    assert repr(signer) == f"Es256Signer({signer.kid})"
    assert len(urlsafe_b64decode(signer.kid + "=")) == 32
