"""Fields for schemas: stricter than marshmallow's own, and described exactly in the OpenAPI document."""

from __future__ import annotations

from typing import Any

import marshmallow as ma
from marshmallow import validate

MAX_INTEGER = 2**63 - 1  # what a BIGINT column holds


class Whole(ma.fields.Integer):
    """A whole JSON number within a range: no text, no fraction, no boolean, nothing a column cannot hold."""

    def __init__(self, *, low: int = 0, high: int = MAX_INTEGER, **more: Any) -> None:
        super().__init__(strict=True, validate=validate.Range(low, high), **more)

    def _validated(self, value: Any) -> int:
        if type(value) is not int:
            raise self.make_error("invalid")
        return value


# What is not seen, or turns what is seen: control characters, zero-width and bidirectional marks, breaks of lines.
_UNSEEN = r"\u0000-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff"


class Text(ma.fields.String):
    """One line of 1 to ``longest`` characters that shows on a screen as it is."""

    def __init__(self, *, longest: int = 64, **more: Any) -> None:
        super().__init__(
            validate=[validate.Length(1, longest), validate.Regexp(rf"^[^{_UNSEEN}]+\Z")], **more
        )


class Token(ma.fields.String):
    """A name made by a machine: visible ASCII, 1 to ``longest`` characters."""

    def __init__(self, *, longest: int = 64, **more: Any) -> None:
        super().__init__(validate=[validate.Length(1, longest), validate.Regexp(r"^[!-~]+\Z")], **more)


class Digits(ma.fields.String):
    """Exactly ``count`` decimal digits."""

    def __init__(self, count: int, **more: Any) -> None:
        super().__init__(validate=validate.Regexp(rf"^[0-9]{{{count}}}\Z"), **more)


class Hex(ma.fields.String):
    """``least`` to ``most`` bytes as hex digits; bytes inside, upper-case hex outside."""

    default_error_messages = {"invalid_hex": "Not an even number of hex digits."}  # noqa: RUF012  marshmallow's way

    def __init__(self, *, least: int = 0, most: int, **more: Any) -> None:
        self._least, self._most = least, most
        super().__init__(
            metadata={"pattern": rf"^([0-9A-Fa-f]{{2}}){{{least},{most}}}$"} | more.pop("metadata", {}),
            **more,
        )

    def _deserialize(self, value: Any, attr: str | None, data: Any, **more: Any) -> Any:
        text = super()._deserialize(value, attr, data, **more)
        try:
            found = bytes.fromhex(text)
        except ValueError:
            raise self.make_error("invalid_hex") from None
        if len(found) * 2 != len(text) or not self._least <= len(found) <= self._most:
            raise self.make_error("invalid_hex")
        return found

    def _serialize(self, value: Any, attr: str | None, obj: Any, **_: Any) -> str | None:  # noqa: ARG002
        return None if value is None else bytes(value).hex().upper()
