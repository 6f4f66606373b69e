"""Puts something else in the place of a name for a while: how the simulation reaches what the product has no switch for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager


@contextmanager
def replaced(owner: object, **values: object) -> Iterator[None]:
    """Give attributes of a module or class other values, and the old ones back at the end."""
    before = {name: getattr(owner, name) for name in values}
    _set(owner, values)
    try:
        yield
    finally:
        _set(owner, before)


def _set(owner: object, values: Mapping[str, object]) -> None:
    for name, value in values.items():
        setattr(owner, name, value)
