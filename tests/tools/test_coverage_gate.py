"""Branch coverage is held to a floor per path."""

from __future__ import annotations

from typing import Any

import pytest

from tools.coverage_gate import shortfalls

FLOORS = {"overall": 95, "files": {"ota/core/*": 100, "ota/*/states.py": 100}}


def report(name: str, *, ran: int) -> dict[str, Any]:
    summary = {"num_statements": 90, "num_branches": 10, "covered_lines": ran - 10, "covered_branches": 10}
    return {name: {"summary": summary, "missing_lines": [7], "missing_branches": [[3, -1]]}}


@pytest.mark.parametrize(
    ("name", "ran", "named"),
    [
        ("ota/core/values.py", 99, ["ota/core/values.py"]),
        ("ota/core/deep/values.py", 99, ["ota/core/deep/values.py"]),
        ("ota/topup/states.py", 99, ["ota/topup/states.py"]),
        ("ota/topup/service.py", 99, []),
        ("ota/topup/service.py", 94, ["overall"]),
        ("ota/core/values.py", 94, ["ota/core/values.py", "overall"]),
        ("ota/core/values.py", 100, []),
    ],
)
def test_a_file_below_its_floor_is_named(name: str, ran: int, named: list[str]) -> None:
    complaints = shortfalls(report(name, ran=ran), FLOORS)

    assert [complaint.split(":")[0] for complaint in complaints] == named


def test_a_complaint_says_which_lines_and_branches_did_not_run() -> None:
    [complaint] = shortfalls(report("ota/core/values.py", ran=99), FLOORS)

    assert complaint.endswith("lines 7, 3→-1")
