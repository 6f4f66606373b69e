"""Wrong rules about cities' hosts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ota.city_hosts.news import HostNews
from ota.sandbox.simulation.patching import replaced


@contextmanager
def untold() -> Iterator[None]:
    """What became of a load is the city's own business to find out."""
    with replaced(HostNews, tell=lambda *_args, **_more: True):
        yield
