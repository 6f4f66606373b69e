from enum import StrEnum

import pytest

from ota.core.errors import NotInThisState
from ota.core.machine import Machine


class Light(StrEnum):
    RED = "red"
    GREEN = "green"


class Push(StrEnum):
    GO = "go"
    STOP = "stop"


MACHINE = Machine("light", {(Light.RED, Push.GO): Light.GREEN})


def test_the_table_says_where_an_event_leads() -> None:
    assert MACHINE.after(Light.RED, Push.GO) is Light.GREEN


def test_what_the_table_does_not_name_is_refused() -> None:
    with pytest.raises(NotInThisState, match="The light is green: stop is not possible now"):
        MACHINE.after(Light.GREEN, Push.STOP)


def test_the_table_answers_what_is_possible() -> None:
    assert MACHINE.allows(Light.RED, Push.GO)
    assert not MACHINE.allows(Light.RED, Push.STOP)
    assert MACHINE.events(Light.RED) == {Push.GO}
    assert MACHINE.events(Light.GREEN) == frozenset()
