from __future__ import annotations

from collections.abc import Iterator

import pytest

from ota.sandbox.simulation.installation import Installation, installed


@pytest.fixture(scope="session")
def installation() -> Iterator[Installation]:
    """One prepared installation for all runs of this process; every run begins with a fresh database."""
    with installed() as made:
        yield made
