from __future__ import annotations

import pytest

from ota.sandbox.element import Element
from tests.sandbox.element.cards import TUNION, make, personalise, select


@pytest.fixture
def blank() -> Element:
    """An element as it leaves the factory, SCP03 with pseudo-random challenges."""
    return make()


@pytest.fixture
def card() -> Element:
    """A compatible card, its T-Union application selected."""
    element = personalise(make())
    assert select(element, TUNION[:16])[1] == "9000"
    return element
