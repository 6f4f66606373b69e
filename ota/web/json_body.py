"""Reads JSON that strangers send, and writes ours: orjson both ways."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

import orjson
from flask.json.provider import JSONProvider
from webargs.flaskparser import FlaskParser

from ota.core.errors import BadRequest

if TYPE_CHECKING:
    from collections.abc import Mapping

    import marshmallow as ma
    from flask import Request

MAX_BODY = 64 * 1024
_MAX_DEPTH = 16
_EXACT = 2**53  # up to here a double is the very number that was written


class NotJson(BadRequest):
    """The body is no JSON text, or one that we do not accept."""

    code = "malformed_json"

    def __init__(self, why: str = "not a JSON text in UTF-8") -> None:
        super().__init__(
            english=f"The body cannot be read: {why}.",
            chinese=f"请求体无法解析: {why}。",
            details={"why": why},
        )


class WrongMediaType(BadRequest):
    """The body is of another media type than the route takes."""

    code = "unsupported_media_type"

    def __init__(self, expected: str) -> None:
        super().__init__(
            english=f"The body must be {expected}.",
            chinese=f"请求体必须为 {expected}。",
            details={"expected": expected},
        )


class InvalidFields(BadRequest):
    """Fields are missing, unknown or outside what they may be; `details.fields` names each."""

    code = "invalid_fields"
    english = "Some fields are missing, unknown or outside what they may be."
    chinese = "部分字段缺失、未知或超出允许范围。"


class OrjsonProvider(JSONProvider):
    """Flask's JSON by orjson: bytes stay as they are written, naive times are refused."""

    def dumps(self, obj: Any, **_: Any) -> str:
        """Serialise to text."""
        return orjson.dumps(obj).decode()

    def loads(self, s: str | bytes, **_: Any) -> Any:
        """Parse text."""
        return orjson.loads(s)


class StrictParser(FlaskParser):
    """webargs, strict: JSON only, unknown fields are errors, no text that a database would refuse."""

    DEFAULT_VALIDATION_STATUS = 400

    def _raw_load_json(self, req: Request) -> Any:
        """Read the body once; raises NotJson or WrongMediaType."""
        if req.mimetype != "application/json":
            raise WrongMediaType("application/json")
        return read_json(req.get_data(cache=True))

    def handle_error(self, error: ma.ValidationError, *_: Any, **__: Any) -> NoReturn:
        """Say which fields are wrong; never what they held."""
        raise InvalidFields(details={"fields": _flat(error.messages_dict)}) from None


def read_json(raw: bytes) -> Any:
    """Parse a JSON text; raises NotJson for anything a parser, a database or a log could stumble over.

    orjson refuses NaN, invalid UTF-8, lone surrogates and endless nesting; a repeated name counts once, the last.
    JSON knows only numbers, so 27.0 is the whole number 27 (JSON Schema 2020-12, core 4.2.3).
    """
    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError:
        raise NotJson from None
    return _cleaned(value, 0)


def _cleaned(value: Any, depth: int) -> Any:
    if isinstance(value, float) and value.is_integer() and abs(value) <= _EXACT:
        return int(value)
    if isinstance(value, str) and "\0" in value:
        raise NotJson("a text holds the character NUL")
    if not isinstance(value, dict | list):
        return value
    if depth >= _MAX_DEPTH:
        raise NotJson(f"it is nested deeper than {_MAX_DEPTH} levels")
    if isinstance(value, list):
        return [_cleaned(item, depth + 1) for item in value]
    return {_cleaned(name, depth): _cleaned(item, depth + 1) for name, item in value.items()}


def _flat(messages: Mapping[Any, Any], path: str = "") -> dict[str, list[str]]:
    """``{"json": {"se": {"scp": ["…"]}}}`` as ``{"se.scp": ["…"]}``, cut after 20 fields."""
    found: dict[str, list[str]] = {}
    for name, value in messages.items():
        # An unknown field's name is the sender's text: shown shortened, so that it cannot flood anything.
        here = path if not path and name == "json" else f"{path}.{str(name)[:40]}".lstrip(".")
        if isinstance(value, dict):
            found.update(_flat(value, here))
        else:
            found[here or "body"] = [str(text) for text in value] if isinstance(value, list) else [str(value)]
        if len(found) >= 20:
            break
    return found
