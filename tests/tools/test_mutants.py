"""The share of changes that a test noticed, and the databases that are made once for all of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.databases import Templates
from tools.mutants import summarise


@pytest.mark.parametrize(
    ("stats", "tried", "score"),
    [
        ({"killed": 85, "survived": 15}, 100, 85.0),
        ({"killed": 1, "timeout": 1, "no_tests": 1, "suspicious": 1}, 4, 50.0),
        ({"skipped": 3}, 0, 0.0),
    ],
    ids=["killed and survived", "what counts on which side", "nothing was tried"],
)
def test_what_no_test_noticed_lowers_the_score(stats: dict[str, int], tried: int, score: float) -> None:
    figures = summarise(stats)

    assert (figures["tried"], figures["score"]) == (tried, score)


def test_templates_are_found_again_by_their_name(tmp_path: Path) -> None:
    made = Templates(tmp_path / "template.sqlite3", "test_mutants_1_0")

    assert Templates.named(made.name) == made
