"""Idempotency-Key: one answer per key, repeated byte for byte (PROTOCOL.md, Orders)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import wraps
from typing import Any

from flask import Response, current_app, g, request

from ota.core.errors import BadRequest, OtaError
from ota.web.ports import Answers, Reply

HEADER = "Idempotency-Key"
REPLAYED = "Idempotent-Replayed"
_MAX_KEY = 255

KEY_PARAMETER = {
    "in": "header",
    "name": HEADER,
    "required": True,
    "description": "Chosen by the caller, one per order; the same key and body give the same answer.",
    "schema": {"type": "string", "minLength": 1, "maxLength": _MAX_KEY, "pattern": "^[!-~]+$"},
}


class KeyMissing(BadRequest):
    """A request that moves money needs a key."""

    code = "idempotency_key_missing"
    english = "The header Idempotency-Key is missing: 1 to 255 visible ASCII characters."
    chinese = "缺少 Idempotency-Key 请求头: 1 至 255 个可见 ASCII 字符。"


def answer_once(view: Callable[..., Response]) -> Callable[..., Response]:
    """Run the view for a new key; repeat the stored answer for a known one."""

    @wraps(view)
    def call(*args: Any, **kwargs: Any) -> Response:
        answers: Answers = current_app.extensions["ota.idempotency"]
        g.idempotency_key = key = _key()
        claim = answers.claim(g.principal.id, key, _digest())
        if claim.stored is not None:
            return _render(claim.stored, replayed=True)
        try:
            answer = view(*args, **kwargs)
        except Exception as error:
            # What may be half done must be repeated as it was; what was refused outright leaves the key unused.
            half_done = error.may_retry if isinstance(error, OtaError) else True
            answers.release(claim, keep_digest=half_done)
            raise
        return _render(answers.finish(claim, answer.status_code, answer.get_data()))

    return call


def _key() -> str:
    key = request.headers.get(HEADER, "")
    if not 1 <= len(key) <= _MAX_KEY or not all("!" <= character <= "~" for character in key):
        raise KeyMissing
    return key


def _digest() -> bytes:
    """SHA-256 over method, path and body: what makes a request the same request."""
    head = f"{request.method} {request.path}\n".encode()
    return hashlib.sha256(head + request.get_data(cache=True)).digest()


def _render(reply: Reply, *, replayed: bool = False) -> Response:
    answer = Response(reply.body, reply.status, mimetype="application/json")
    if replayed:
        answer.headers[REPLAYED] = "true"
    return answer
