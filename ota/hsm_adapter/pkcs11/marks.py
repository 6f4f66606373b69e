"""What the token tells of a key besides the key: its name in the label, its state in a data object of that label."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from pkcs11 import Attribute, ObjectClass

from ota.core.errors import InvalidValue
from ota.hsm_adapter.keys import KeyRef, KeyState
from ota.hsm_adapter.pkcs11.errors import KeyAttributesWeak

if TYPE_CHECKING:
    from ota.hsm_adapter.pkcs11.token import OpenToken

PREFIX: Final = "ota/"
_APPLICATION: Final = "ota key state"
_ORDER: Final = tuple(KeyState)


@dataclass(frozen=True, slots=True)
class Mark:
    """A key's state, and whether it is a published test key."""

    state: KeyState
    test: bool

    def to_bytes(self) -> bytes:
        """The data object's value."""
        return json.dumps({"state": self.state, "test": self.test}, separators=(",", ":")).encode()


UNMARKED: Final = Mark(KeyState.ACTIVE, test=False)
"""A key that was put there by the token's own tools."""


def label(ref: KeyRef) -> str:
    """The label of a key and of its mark: ``ota/issuer/role/version/algorithm``."""
    return PREFIX + str(ref)


def labelled(token: OpenToken) -> Iterator[tuple[KeyRef, Any]]:
    """Every key on the token whose label begins as ours do; raises KeyAttributesWeak for one that names no key."""
    for handle in token.found({Attribute.CLASS: ObjectClass.SECRET_KEY, Attribute.TOKEN: True}):
        text = handle[Attribute.LABEL]
        if text.startswith(PREFIX):
            yield _named(text), handle


def read(token: OpenToken) -> Mapping[KeyRef, Mark]:
    """The marks. Of two for one key, which a crash may leave, the later state counts."""
    found: dict[KeyRef, Mark] = {}
    for handle in _objects(token):
        ref, mark = _named(handle[Attribute.LABEL]), _parsed(handle[Attribute.VALUE])
        other = found.get(ref, mark)
        found[ref] = Mark(max(mark.state, other.state, key=_ORDER.index), mark.test or other.test)
    return found


def write(token: OpenToken, ref: KeyRef, mark: Mark) -> None:
    """Put a key's mark in place: the new one before the old one goes."""
    before = _objects(token, {Attribute.LABEL: label(ref)})
    token.created(
        {
            Attribute.CLASS: ObjectClass.DATA,
            Attribute.TOKEN: True,
            Attribute.PRIVATE: True,
            Attribute.APPLICATION: _APPLICATION,
            Attribute.LABEL: label(ref),
            Attribute.VALUE: mark.to_bytes(),
        }
    )
    for handle in before:
        handle.destroy()


def listed(token: OpenToken) -> object:
    """The labels and marks that are there now, to notice that another process changed them."""
    keys = sorted(
        handle[Attribute.LABEL]
        for handle in token.found({Attribute.CLASS: ObjectClass.SECRET_KEY, Attribute.TOKEN: True})
    )
    states = sorted((handle[Attribute.LABEL], handle[Attribute.VALUE]) for handle in _objects(token))
    return keys, states


def _objects(token: OpenToken, further: Mapping[Attribute, str] | None = None) -> list[Any]:
    template = {Attribute.CLASS: ObjectClass.DATA, Attribute.APPLICATION: _APPLICATION, **(further or {})}
    return list(token.found(template))


def _named(text: str) -> KeyRef:
    try:
        return KeyRef.parse(text.removeprefix(PREFIX))
    except InvalidValue:
        raise KeyAttributesWeak(text, "its label names no key") from None


def _parsed(value: bytes) -> Mark:
    try:
        stored = json.loads(value)
        return Mark(KeyState(stored["state"]), stored["test"] is not False)
    except (ValueError, KeyError, TypeError):
        raise KeyAttributesWeak("a key's state", "it cannot be read") from None
