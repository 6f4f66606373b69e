"""Takes the access token out of a request and tells who it speaks for."""

from flask import current_app, request

from ota.core.errors import Unauthenticated
from ota.core.principal import Principal
from ota.web.tokens import MAX_TOKEN, Tokens


def authenticate() -> Principal:
    """The caller of this request by its bearer token (RFC 6750 2.1); raises Unauthenticated."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token or len(token) > MAX_TOKEN:
        raise Unauthenticated
    tokens: Tokens = current_app.extensions["ota.tokens"]
    return tokens.read(token)
