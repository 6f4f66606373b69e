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


@pytest.fixture
def light() -> Machine[Light, Push]:
    return Machine("light", {(Light.RED, Push.GO): Light.GREEN})


def test_the_table_says_where_an_event_leads(light: Machine[Light, Push]) -> None:
    assert light.after(Light.RED, Push.GO) is Light.GREEN


def test_what_the_table_does_not_name_is_refused(light: Machine[Light, Push]) -> None:
    with pytest.raises(NotInThisState, match="The light is green: stop is not possible now"):
        light.after(Light.GREEN, Push.STOP)


def test_the_table_answers_what_is_possible(light: Machine[Light, Push]) -> None:
    assert light.allows(Light.RED, Push.GO)
    assert not light.allows(Light.RED, Push.STOP)
    assert light.events(Light.RED) == {Push.GO}
    assert light.events(Light.GREEN) == frozenset()


def test_a_table_cannot_be_changed_through_what_it_was_made_of() -> None:
    table = {(Light.RED, Push.GO): Light.GREEN}
    light = Machine("light", table)

    table[Light.GREEN, Push.STOP] = Light.RED

    assert light.subject == "light"
    assert light.table == {(Light.RED, Push.GO): Light.GREEN}
