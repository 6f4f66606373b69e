"""HTTP Message Signatures (RFC 9421) between platforms, over method, path, content-digest and date, by ES256.

An answer's signature also covers the request's method, path, digest and its very signature, so that no answer fits
another request. Exactly one signature per message; its components may stand in any order and be more than these.
"""

from __future__ import annotations

import base64
import re
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime, parsedate_to_datetime
from hashlib import sha256
from hmac import compare_digest
from typing import Final

from ota.hsm_adapter.city_host.errors import MessageSignatureWrong
from ota.hsm_adapter.city_host.message_keys import ALGORITHM, MessageKey, Verifiers
from ota.hsm_adapter.city_host.signature_fields import SignatureInput, read_input, read_signature

TOLERANCE: Final = timedelta(seconds=300)
"""How far another platform's clock may be off; a nonce is remembered for as long."""

REQUEST_COVERS: Final = ('"@method"', '"@path"', '"content-digest"', '"date"')
ANSWER_COVERS: Final = (
    '"@status"',
    '"content-digest"',
    '"date"',
    '"@method";req',
    '"@path";req',
    '"content-digest";req',
    '"signature";req',
)
_LABEL: Final = "ota"
_NONCE: Final = re.compile(r"[A-Za-z0-9_.:-]{16,128}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Request:
    """One request on the wire; header names in lower case, ``path`` without a query."""

    method: str
    path: str
    body: bytes = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer on the wire; header names in lower case."""

    status: int
    body: bytes = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class Proof:
    """Whose signature held, and what makes the message this one and no other until ``expires``."""

    key_id: str
    nonce: str
    expires: datetime


def signed_request(key: MessageKey, method: str, path: str, body: bytes, now: datetime) -> Request:
    """A request with the headers that prove whose it is; the nonce makes each one a message of its own."""
    headers = _own_headers(body, now)
    parameters = f'{_parameters(key, now)};nonce="{secrets.token_urlsafe(24)}"'
    unsigned = Request(method, path, body, headers)
    return Request(
        method, path, body, headers | _signed(key, REQUEST_COVERS, parameters, _of_request(unsigned))
    )


def verify_request(request: Request, keys: Verifiers, now: datetime) -> Proof:
    """Check a request; raises MessageSignatureWrong. The nonce is still to be used up."""
    about = read_input(_header(request.headers, "signature-input"))
    _verify(about, request.headers, REQUEST_COVERS, _of_request(request), keys)
    created = _check_content(about, request.headers, request.body, now)
    if about.nonce is None or not _NONCE.fullmatch(about.nonce):
        raise MessageSignatureWrong("a nonce of 16 to 128 plain characters is needed")
    return Proof(about.key_id, about.nonce, created + TOLERANCE)


def signed_answer(key: MessageKey, request: Request, status: int, body: bytes, now: datetime) -> Answer:
    """An answer to a signed request, bound to it."""
    headers = _own_headers(body, now)
    value_of = _of_answer(Answer(status, body, headers), request)
    return Answer(status, body, headers | _signed(key, ANSWER_COVERS, _parameters(key, now), value_of))


def verify_answer(answer: Answer, request: Request, keys: Verifiers, now: datetime) -> None:
    """Check that the answer was made for this very request; raises MessageSignatureWrong."""
    about = read_input(_header(answer.headers, "signature-input"))
    _verify(about, answer.headers, ANSWER_COVERS, _of_answer(answer, request), keys)
    _check_content(about, answer.headers, answer.body, now)


def content_digest(body: bytes) -> str:
    """Content-Digest of a body (RFC 9530 2), SHA-256."""
    return f"sha-256=:{base64.b64encode(sha256(body).digest()).decode()}:"


def signature_base(components: tuple[str, ...], parameters: str, value_of: Callable[[str], str]) -> bytes:
    """What is signed: a line per component, and the parameters last (RFC 9421 2.5)."""
    lines = [f"{name}: {value_of(name)}" for name in components]
    return "\n".join([*lines, f'"@signature-params": {parameters}']).encode()


def _own_headers(body: bytes, now: datetime) -> dict[str, str]:
    return {
        "content-type": "application/json",
        "content-digest": content_digest(body),
        "date": format_datetime(now.astimezone(UTC), usegmt=True),
    }


def _parameters(key: MessageKey, now: datetime) -> str:
    return f';created={int(now.timestamp())};keyid="{key.name}";alg="{ALGORITHM}"'


def _signed(
    key: MessageKey, components: tuple[str, ...], parameters: str, value_of: Callable[[str], str]
) -> dict[str, str]:
    covered = f"({' '.join(components)}){parameters}"
    signature = base64.b64encode(key.sign(signature_base(components, covered, value_of))).decode()
    return {"signature-input": f"{_LABEL}={covered}", "signature": f"{_LABEL}=:{signature}:"}


def _verify(
    about: SignatureInput,
    headers: Mapping[str, str],
    must_cover: tuple[str, ...],
    value_of: Callable[[str], str],
    keys: Verifiers,
) -> None:
    if not set(must_cover) <= set(about.components):
        raise MessageSignatureWrong("a component that must be covered is not")
    if about.algorithm not in (None, ALGORITHM):
        raise MessageSignatureWrong("another algorithm")
    key = keys.get(about.key_id)
    if key is None:
        raise MessageSignatureWrong("an unknown key")
    signature = read_signature(_header(headers, "signature"), about.label)
    if not key.holds(signature, signature_base(about.components, about.text, value_of)):
        raise MessageSignatureWrong("the signature does not hold")


def _check_content(about: SignatureInput, headers: Mapping[str, str], body: bytes, now: datetime) -> datetime:
    """Check digest and dates of a message whose signature holds; the moment it was made."""
    if not compare_digest(_header(headers, "content-digest").encode(), content_digest(body).encode()):
        raise MessageSignatureWrong("the body is another one")
    try:
        created = datetime.fromtimestamp(about.created, UTC)
    except (ValueError, OverflowError, OSError):  # outside the calendar, or the machine's own
        raise MessageSignatureWrong("too old, or from the future") from None
    if max(abs(now - created), abs(now - _date(headers))) > TOLERANCE:
        raise MessageSignatureWrong("too old, or from the future")
    return created


def _date(headers: Mapping[str, str]) -> datetime:
    try:
        found = parsedate_to_datetime(_header(headers, "date"))
    except ValueError:
        raise MessageSignatureWrong("Date cannot be read") from None
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)


def _of_request(request: Request) -> Callable[[str], str]:
    def value_of(component: str) -> str:
        name = component.strip('"')
        derived = {"@method": request.method, "@path": request.path}
        return derived[name] if name in derived else _plain(request.headers, name)

    return value_of


def _of_answer(answer: Answer, request: Request) -> Callable[[str], str]:
    of_request = _of_request(request)

    def value_of(component: str) -> str:
        if component.endswith(";req"):
            return of_request(component.removesuffix(";req"))
        name = component.strip('"')
        return str(answer.status) if name == "@status" else _plain(answer.headers, name)

    return value_of


def _plain(headers: Mapping[str, str], name: str) -> str:
    """A field's value; derived components that we do not compute (@authority, @query …) are no field."""
    return _header(headers, name).strip()


def _header(headers: Mapping[str, str], name: str) -> str:
    try:
        return headers[name]
    except KeyError:
        raise MessageSignatureWrong(f"{name} is missing") from None
