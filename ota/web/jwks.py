"""The platform's public keys, with which anybody verifies its receipts (RFC 7517)."""

from __future__ import annotations

import orjson
from flask import Blueprint, Response, current_app

from ota.web.policy import public
from ota.web.tokens import Tokens

blueprint = Blueprint("jwks", __name__)


@blueprint.get("/.well-known/jwks.json")
@public
def show_keys() -> Response:
    """Every key that signs, by its key id."""
    tokens: Tokens = current_app.extensions["ota.tokens"]
    return Response(
        orjson.dumps(tokens.signer.jwks()),
        mimetype="application/json",
        headers={"Cache-Control": "public, max-age=300"},
    )
