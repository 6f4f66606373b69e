"""Wrong rules about card keys."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ota.card.keys import Algorithm, KeyRole
from ota.cities.profile import City
from ota.sandbox.simulation.patching import replaced
from ota.topup.vault import LoadVault


@contextmanager
def bar_unasked() -> Iterator[None]:
    """Whether a key may authorise is found out when the attempt is written."""
    with replaced(LoadVault, bar=lambda *_args: None):
        yield


@contextmanager
def stated_version_ignored() -> Iterator[None]:
    """The newest version is the key of every card, whatever the card states."""
    real = City.key_version

    def newest(self: City, role: KeyRole, algorithm: Algorithm, _stated: int | None = None) -> int:
        return real(self, role, algorithm)

    with replaced(City, key_version=newest):
        yield
