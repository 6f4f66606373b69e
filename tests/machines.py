"""Decides every pair of a state machine against a table that is written down a second time, by hand."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from itertools import product
from typing import Any

import pytest

from ota.core.errors import NotInThisState
from ota.core.machine import Machine

AnyMachine = Machine[Any, Any]
PAIR = ("machine", "state", "event", "expected")


def pairs(
    machine: Machine[Any, Any],
    states: type[StrEnum],
    events: type[StrEnum],
    allowed: Mapping[str, Mapping[str, str]],
) -> list[Any]:
    """Every (state, event) with where it leads; ``allowed`` is state → event → next state, all else is refused."""
    unknown = allowed.keys() - set(states)
    assert not unknown, f"no such states: {unknown}"
    return [
        pytest.param(machine, state, event, allowed.get(state, {}).get(event), id=f"{state}-{event}")
        for state, event in product(states, events)
    ]


def decided(machine: Machine[Any, Any], state: StrEnum, event: StrEnum) -> str | None:
    """Where the machine goes; None where it refuses, and says so both times."""
    try:
        after = str(machine.after(state, event))
    except NotInThisState:
        return "allowed" if machine.allows(state, event) else None
    return after if machine.allows(state, event) else "refused"
