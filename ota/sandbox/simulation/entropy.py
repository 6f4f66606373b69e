"""Makes chance repeat itself: ids, nonces and random keys come from the seed while a simulation runs."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from random import Random
from types import SimpleNamespace

from ota.core import ids
from ota.sandbox.simulation.patching import replaced
from ota.sandbox.simulation.schedule import VirtualClock


@contextmanager
def seeded_entropy(seed: int, clock: VirtualClock) -> Iterator[None]:
    """Everything that asks `secrets`, and the time inside of ids, answers the same in every run of a seed."""
    random = Random(f"{seed} entropy")

    def token_hex(length: int = 32) -> str:
        return random.randbytes(length).hex()

    chance = replaced(
        secrets,
        token_bytes=lambda length=32: random.randbytes(length),
        token_hex=token_hex,
        token_urlsafe=token_hex,
        randbelow=random.randrange,
        randbits=random.getrandbits,
    )
    with chance, replaced(ids, time=SimpleNamespace(time_ns=clock.time_ns)):
        yield
