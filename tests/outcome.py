"""For hostile input: whatever is fed in, a reader gives a value or one of the platform's own errors."""

from __future__ import annotations

from typing import TYPE_CHECKING, ParamSpec, TypeVar

from ota.core.errors import OtaError

if TYPE_CHECKING:
    from collections.abc import Callable

Arguments = ParamSpec("Arguments")
Value = TypeVar("Value")


def outcome(
    read: Callable[Arguments, Value], *args: Arguments.args, **kwargs: Arguments.kwargs
) -> Value | OtaError:
    """The value or the error; any other exception passes through and fails the test."""
    try:
        return read(*args, **kwargs)
    except OtaError as error:
        return error
