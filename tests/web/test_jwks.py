"""The platform's public keys."""

from __future__ import annotations

import jwt
from flask.testing import FlaskClient

from ota import wiring
from tests.web.platform import AUDIENCE


def test_what_the_platform_signed_is_verified_with_its_published_keys(
    client: FlaskClient, built: wiring.Wiring
) -> None:
    signed = built.tokens.signer.sign({"aud": AUDIENCE, "state": "loaded"}, type_="receipt+jwt")

    answer = client.get("/.well-known/jwks.json")

    key = jwt.PyJWKSet.from_dict(answer.get_json())[jwt.get_unverified_header(signed)["kid"]]
    assert jwt.decode(signed, key, algorithms=["ES256"], audience=AUDIENCE)["state"] == "loaded"


def test_only_the_public_half_of_a_key_is_told(client: FlaskClient) -> None:
    keys = client.get("/.well-known/jwks.json").get_json()["keys"]

    assert [set(key) for key in keys] == [{"kty", "crv", "x", "y", "kid"}]
