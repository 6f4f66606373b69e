"""The two header fields of a message signature, read as strictly as they are written: one signature, no surprises.

A subset of Structured Fields (RFC 8941) that holds every message that our partners send. Whatever else the RFC allows
(several signatures, trailers, query parameters, strings with escapes) is refused rather than half understood.
"""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass
from typing import Final

from ota.hsm_adapter.city_host.errors import MessageSignatureWrong

_LABEL: Final = r"[a-z][a-z0-9_-]{0,31}"
_COMPONENT: Final = r'"@?[a-z0-9-]{1,40}"(?:;req)?'
_STRING: Final = r'"[ !#-\[\]-~]{0,128}"'
_INPUT: Final = re.compile(
    rf"({_LABEL})=(\(((?:{_COMPONENT}(?: {_COMPONENT})*)?)\)((?:;[a-z]+=(?:[0-9]{{1,12}}|{_STRING})){{0,8}}))",
    re.ASCII,
)
_PARAMETER: Final = re.compile(rf";([a-z]+)=([0-9]{{1,12}}|{_STRING})", re.ASCII)
_SIGNATURE: Final = re.compile(rf"({_LABEL})=:([A-Za-z0-9+/]{{2,120}}={{0,2}}):", re.ASCII)


@dataclass(frozen=True, slots=True)
class SignatureInput:
    """What a signature covers (component identifiers as serialised) and its parameters; ``text`` is signed as it is."""

    label: str
    components: tuple[str, ...]
    text: str
    created: int
    key_id: str
    nonce: str | None
    algorithm: str | None


def read_input(field: str) -> SignatureInput:
    """Read Signature-Input (RFC 9421 4.1); raises MessageSignatureWrong."""
    found = _INPUT.fullmatch(field)
    if found is None:
        raise MessageSignatureWrong("Signature-Input cannot be read")
    label, text, components, parameters = found.groups()
    given = _PARAMETER.findall(parameters)
    values = {name: value.strip('"') for name, value in given}
    if len(values) != len(given):
        raise MessageSignatureWrong("a parameter is given twice")
    created, key_id = values.get("created", ""), values.get("keyid", "")
    if not created.isdecimal() or not key_id:
        raise MessageSignatureWrong("created and keyid are needed")
    named = tuple(components.split())
    if len(set(named)) != len(named):  # RFC 9421 2: each component once
        raise MessageSignatureWrong("a component is covered twice")
    return SignatureInput(
        label, named, text, int(created), key_id, values.get("nonce") or None, values.get("alg")
    )


def read_signature(field: str, label: str) -> bytes:
    """Read Signature (RFC 9421 4.2): the bytes under this label, the only one; raises MessageSignatureWrong."""
    found = _SIGNATURE.fullmatch(field)
    if found is None or found[1] != label:
        raise MessageSignatureWrong("Signature cannot be read")
    try:
        return base64.b64decode(found[2], validate=True)
    except binascii.Error:
        raise MessageSignatureWrong("Signature is not base64") from None
