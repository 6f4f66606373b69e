"""A fact that a caller vouches for: by its own registered key, for this platform, of this type, or not at all."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ota.core.principal import CallerKind, Principal
from ota.store.callers import Caller
from ota.web.signed_facts import PAYMENT, ChannelNotYours, SignatureWrong, SignedFacts
from tests.web.platform import AUDIENCE, TestKey

OWN, OTHER = TestKey("k1"), TestKey("k1")
SECRET = "a secret that is long enough for HMAC with SHA-256"
WALLET = Principal(CallerKind.WALLET, "wallet")
CLAIMS = {"iss": "wallet", "aud": AUDIENCE, "iat": 1764000000, "amount_fen": 5000}
HEADER = {"typ": PAYMENT, "kid": "k1"}


@dataclass
class OneCaller:
    """The directory knows one caller."""

    known: Caller | None

    def find(self, caller_id: str) -> Caller | None:
        return self.known if self.known is not None and self.known.id == caller_id else None


REGISTERED = Caller("wallet", CallerKind.WALLET, {"k1": OWN.jwk})


def facts(known: Caller | None = REGISTERED, audience: str = AUDIENCE, type_: str = PAYMENT) -> SignedFacts:
    return SignedFacts(OneCaller(known), audience, type_)


def signed(
    claims: Mapping[str, Any] = CLAIMS,
    key: TestKey = OWN,
    algorithm: str = "ES256",
    **header: Any,
) -> str:
    payload = json.dumps(claims).encode()
    secret: Any = key.private if algorithm.startswith("ES") else SECRET if algorithm.startswith("HS") else ""
    headers = {name: value for name, value in (HEADER | header).items() if value is not None}
    return jwt.api_jws.encode(payload, secret, algorithm, headers=headers)


def test_what_a_caller_signed_is_read() -> None:
    assert facts().read(WALLET, signed()) == CLAIMS


def test_a_fact_stays_true_however_late_it_comes() -> None:
    late = CLAIMS | {"iat": 1, "exp": 2, "nbf": 99999999999}

    assert facts().read(WALLET, signed(late)) == late


def test_a_caller_vouches_for_trades_of_its_own_channels_only() -> None:
    bound = facts(replace(REGISTERED, channels=("alipay",)))
    own = CLAIMS | {"channel": "alipay"}

    assert bound.read(WALLET, signed(own)) == own
    for claims in (CLAIMS, CLAIMS | {"channel": "wechat"}, CLAIMS | {"channel": ["alipay"]}):
        with pytest.raises(ChannelNotYours):
            bound.read(WALLET, signed(claims))


def test_a_caller_that_rotates_its_keys_signs_with_either() -> None:
    newer = TestKey("k2")
    both = replace(REGISTERED, keys={"k1": OWN.jwk, "k2": newer.jwk})

    assert facts(both).read(WALLET, signed(key=newer, kid="k2")) == CLAIMS
    assert facts(both).read(WALLET, signed()) == CLAIMS


@pytest.mark.parametrize(
    "claims",
    [
        CLAIMS | {"iss": "rival"},
        CLAIMS | {"iss": ["wallet"]},
        CLAIMS | {"aud": "urn:ota:another"},
        CLAIMS | {"aud": [AUDIENCE]},
        CLAIMS | {"aud": [AUDIENCE, "urn:ota:another"]},
        {name: value for name, value in CLAIMS.items() if name != "iss"},
        {name: value for name, value in CLAIMS.items() if name != "aud"},
        {name: value for name, value in CLAIMS.items() if name != "iat"},
    ],
    ids=str,
)
def test_a_fact_by_or_for_somebody_else_is_none(claims: Mapping[str, Any]) -> None:
    with pytest.raises(SignatureWrong):
        facts().read(WALLET, signed(claims))


@pytest.mark.parametrize(
    "header",
    [
        {"typ": "JWT"},
        {"typ": "at+jwt"},
        {"typ": None},
        {"kid": "k9"},
        {"kid": None},
        {"kid": ["k1"]},
        {"jku": "https://evil.example/keys"},
        {"x5u": "https://evil.example/chain"},
        {"jwk": {"kty": "EC"}},
        {"crit": ["exp"]},
        {"b64": True},
    ],
    ids=str,
)
def test_a_header_that_says_anything_else_is_refused(header: dict[str, Any]) -> None:
    with pytest.raises(SignatureWrong):
        facts().read(WALLET, _with_header(signed(), HEADER | {"alg": "ES256"} | header))


def _with_header(token: str, header: Mapping[str, Any]) -> str:
    """The token with another header, and a good signature over it."""
    kept = {name: value for name, value in header.items() if value is not None}
    first = jwt.utils.base64url_encode(json.dumps(kept).encode())
    signed_part = first + b"." + token.split(".")[1].encode()
    raw = jwt.algorithms.ECAlgorithm(jwt.algorithms.ECAlgorithm.SHA256).sign(signed_part, OWN.private)
    return (signed_part + b"." + jwt.utils.base64url_encode(raw)).decode()


TOKENS = {
    "another key": signed(key=OTHER),
    "HMAC": signed(algorithm="HS256"),
    "no algorithm": signed(algorithm="none"),
    "altered": signed()[:-4] + "AAAA",
    "no signature": signed().rpartition(".")[0] + ".",
    "four parts": signed() + ".AAAA",
    "nothing": "",
    "dots": "..",
    "words": "a.b.c",
    "a lone surrogate": "\ud800.b.c",
    "padding": "=.=.=",
}


@pytest.mark.parametrize("token", TOKENS.values(), ids=TOKENS.keys())
def test_a_signature_that_does_not_hold_is_refused(token: str) -> None:
    with pytest.raises(SignatureWrong):
        facts().read(WALLET, token)


@pytest.mark.parametrize("payload", [b"", b"5", b"[]", b'"text"', b"{", b"\xff", b"[" * 2000])
def test_a_payload_that_is_no_set_of_claims_is_refused(payload: bytes) -> None:
    token = jwt.api_jws.encode(payload, OWN.private, "ES256", headers=HEADER)

    with pytest.raises(SignatureWrong):
        facts().read(WALLET, token)


def test_a_fact_longer_than_four_kibibytes_is_not_read() -> None:
    long = signed(CLAIMS | {"note": "x" * 4096})

    with pytest.raises(SignatureWrong):
        facts().read(WALLET, long)


@pytest.mark.parametrize(
    "known",
    [
        None,
        replace(REGISTERED, id="rival"),
        replace(REGISTERED, disabled=True),
        replace(REGISTERED, keys={}),
        replace(REGISTERED, keys={"k1": OTHER.jwk}),
        replace(REGISTERED, keys={"k1": OWN.jwk | {"crv": "P-384"}}),
        replace(REGISTERED, keys={"k1": OWN.jwk | {"x": "AAAA"}}),
        replace(REGISTERED, keys={"k1": {"kty": "oct", "k": "c2VjcmV0"}}),
        replace(REGISTERED, keys={"k1": {}}),
    ],
    ids=[
        "unknown",
        "another",
        "disabled",
        "without keys",
        "another key",
        "another curve",
        "off the curve",
        "a secret",
        "an empty key",
    ],
)
def test_only_a_registered_key_of_an_active_caller_counts(known: Caller | None) -> None:
    with pytest.raises(SignatureWrong):
        facts(known).read(WALLET, signed())


def test_facts_of_one_type_are_not_taken_for_another() -> None:
    with pytest.raises(SignatureWrong):
        facts(type_="refund+jwt").read(WALLET, signed())


def test_what_does_not_hold_is_not_told() -> None:
    with pytest.raises(SignatureWrong) as refused:
        facts().read(WALLET, signed(key=OTHER))

    assert dict(refused.value.details) == {}
    assert refused.value.problem_code == "signature_wrong"


@given(
    st.text(max_size=200)
    | st.from_regex(r"\A[A-Za-z0-9_-]{0,60}\.[A-Za-z0-9_-]{0,60}\.[A-Za-z0-9_-]{0,90}\Z")
)
def test_no_text_makes_more_than_a_refusal(text: str) -> None:
    with pytest.raises(SignatureWrong):
        facts().read(WALLET, text)
