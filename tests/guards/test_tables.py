"""Every table of a state machine is decided pair by pair: whatever is changed in one of them, a test notices.

mutmut changes nothing outside of functions (`make mutants`), and the tables stand there. So they are changed here: each
pair is left out, each one leads elsewhere, and each pair that is refused is allowed.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from importlib import import_module
from itertools import product

import pytest

from ota.core.machine import Machine
from tests.guards.source import ROOT
from tests.machines import PAIR, AnyMachine, decided

Case = tuple[StrEnum, StrEnum, str | None]
Table = dict[tuple[StrEnum, StrEnum], StrEnum]


def machines() -> dict[str, AnyMachine]:
    """Every machine of the product, by its module and name."""
    modules = [f"ota.{path.parent.name}.states" for path in sorted(ROOT.glob("ota/*/states.py"))]
    return {
        f"{module}.{name}": found
        for module in modules
        for name, found in vars(import_module(module)).items()
        if isinstance(found, Machine)
    }


def cases_of(machine: AnyMachine) -> list[Case]:
    """What the tests say about a machine: state, event, and where it leads or None."""
    found: list[Case] = []
    for path in sorted(ROOT.glob("tests/*/test_states.py")):
        for test in vars(import_module(f"tests.{path.parent.name}.test_states")).values():
            for mark in getattr(test, "pytestmark", ()):
                if mark.name == "parametrize" and mark.args[0] == PAIR:
                    found += [case.values[1:] for case in mark.args[1] if case.values[0] is machine]
    return found


def changed(machine: AnyMachine, cases: list[Case]) -> Iterator[AnyMachine]:
    """The machine with one thing changed, for each thing that can be."""
    table: Table = dict(machine.table)
    states = sorted({type(state) for state, _, _ in cases}.pop())
    for pair, after in table.items():
        yield Machine(machine.subject, {known: state for known, state in table.items() if known != pair})
        for other in states:
            if other is not after:
                yield Machine(machine.subject, table | {pair: other})
    for (state, event, expected), other in product(cases, states):
        if expected is None:
            yield Machine(machine.subject, table | {(state, event): other})


def noticed(machine: AnyMachine, cases: list[Case]) -> bool:
    """Whether one of the tests would fail."""
    return any(decided(machine, state, event) != expected for state, event, expected in cases)


MACHINES = machines()


@pytest.mark.parametrize("machine", MACHINES.values(), ids=MACHINES.keys())
def test_whatever_is_changed_in_a_table_is_noticed(machine: AnyMachine) -> None:
    cases = cases_of(machine)

    tables = list(changed(machine, cases))

    assert len(tables) > len(machine.table)
    assert not noticed(machine, cases)
    assert [table.table for table in tables if not noticed(table, cases)] == []


def test_a_pair_that_no_test_decides_is_not_noticed() -> None:
    """This guard can fail: without the test of one pair, a change of that pair goes unseen."""
    machine = MACHINES["ota.topup.states.TOPUP"]
    cases = [case for case in cases_of(machine) if case[:2] != next(iter(machine.table))]

    unseen = [table for table in changed(machine, cases_of(machine)) if not noticed(table, cases)]

    assert unseen
