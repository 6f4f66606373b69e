"""The states that docs/money.md tells are those of the tables."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from ota.core.machine import Machine
from ota.issuance.states import ISSUANCE
from ota.registry.states import CARD, NUMBER
from ota.topup.states import ATTEMPT, TOPUP

MONEY = Path(__file__).parents[2] / "docs" / "money.md"
_ROW = re.compile(r"^\| ([a-z-]+) \| ([A-Z_]+) \| (.+) \|$", re.MULTILINE)


@pytest.mark.parametrize(
    ("subject", "machine"),
    [("top-up", TOPUP), ("attempt", ATTEMPT), ("issuance", ISSUANCE), ("card", CARD), ("number", NUMBER)],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_states_of_the_document_are_those_of_the_table(subject: str, machine: Machine[Any, Any]) -> None:
    states = type(next(iter(machine.table.values())))
    section = MONEY.read_text(encoding="utf-8").partition("## States\n")[2].partition("\n## ")[0]

    told = {
        state: set(re.findall(r"[A-Z_]+", led_to))
        for of, state, led_to in _ROW.findall(section)
        if of == subject
    }

    assert told == {
        state.name: {after.name for (before, _), after in machine.table.items() if before is state}
        for state in states
    }
