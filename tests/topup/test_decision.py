"""The rule of MONEY.md, every small world of it, and properties that must hold in any world."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ota.topup.decision import Sighting, Verdict, decide

COUNTERS = st.integers(0, 0xFFFF)
SIGHTINGS = st.builds(
    Sighting,
    counter=COUNTERS,
    attempt=st.none() | COUNTERS,
    expected=st.none() | st.integers(0, 0x1_0000),
    foreign_loads=st.booleans(),
    proven=st.booleans(),
)
SMALL = (0, 1, 2, 3)


@pytest.mark.parametrize(
    ("step", "foreign_loads", "proven", "verdict"),
    [
        (0, False, False, Verdict.NOT_LOADED),
        (0, False, True, Verdict.NOT_LOADED),
        (0, True, False, Verdict.NOT_LOADED),
        (0, True, True, Verdict.NOT_LOADED),
        (1, False, False, Verdict.LOADED),
        (1, False, True, Verdict.LOADED),
        (1, True, False, Verdict.UNPROVEN),
        (1, True, True, Verdict.LOADED),
    ],
)
def test_one_step_of_the_counter_decides_the_live_attempt(
    step: int, foreign_loads: bool, proven: bool, verdict: Verdict
) -> None:
    seen = Sighting(7 + step, attempt=7, expected=7, foreign_loads=foreign_loads, proven=proven)

    assert decide(seen) is verdict


@pytest.mark.parametrize(
    ("counter", "expected", "foreign_loads", "verdict"),
    [
        (5, None, False, Verdict.FREE),
        (5, 5, False, Verdict.FREE),
        (6, 5, False, Verdict.LOADED_ELSEWHERE),
        (6, 5, True, Verdict.FREE),
        (9, 5, True, Verdict.FREE),
        (4, 5, True, Verdict.LOADED_ELSEWHERE),
        (4, 5, False, Verdict.LOADED_ELSEWHERE),
    ],
)
def test_without_an_attempt_the_counter_must_be_the_known_one_or_have_moved_on_where_others_load(
    counter: int, expected: int | None, foreign_loads: bool, verdict: Verdict
) -> None:
    seen = Sighting(counter, attempt=None, expected=expected, foreign_loads=foreign_loads, proven=False)

    assert decide(seen) is verdict


def test_every_small_world_is_decided_as_the_protocol_says() -> None:
    """Written from MONEY.md as four sentences, not from the code."""
    wrong = []
    for counter, attempt, expected, foreign, proven in product(
        SMALL, (None, *SMALL), (None, *SMALL), (False, True), (False, True)
    ):
        verdict = decide(Sighting(counter, attempt, expected, foreign, proven))
        if attempt is not None:
            evidence = proven or not foreign
            right = {
                attempt: Verdict.NOT_LOADED,
                attempt + 1: Verdict.LOADED if evidence else Verdict.UNPROVEN,
            }.get(counter, Verdict.JUMPED)
        else:
            agrees = expected is None or counter == expected or (foreign and counter > expected)
            right = Verdict.FREE if agrees else Verdict.LOADED_ELSEWHERE
        if verdict is not right:
            wrong.append((counter, attempt, expected, foreign, proven, verdict))

    assert wrong == []


@given(SIGHTINGS)
def test_money_is_called_loaded_only_when_the_counter_stands_one_above_the_attempt(seen: Sighting) -> None:
    verdict = decide(seen)

    if verdict is Verdict.LOADED:
        assert seen.attempt is not None
        assert seen.counter == seen.attempt + 1
        assert seen.proven or not seen.foreign_loads


@given(SIGHTINGS)
def test_money_is_given_free_again_only_when_the_counter_has_not_moved(seen: Sighting) -> None:
    verdict = decide(seen)

    assert (verdict is Verdict.NOT_LOADED) == (seen.attempt is not None and seen.counter == seen.attempt)


@given(SIGHTINGS)
def test_a_live_attempt_never_lets_another_load_pass_undecided(seen: Sighting) -> None:
    verdict = decide(seen)

    assert (verdict is Verdict.FREE) <= (seen.attempt is None)


@given(SIGHTINGS, st.integers(0, 0x1_0000))
def test_with_a_live_attempt_the_last_known_counter_changes_nothing(seen: Sighting, other: int) -> None:
    elsewhere = Sighting(seen.counter, seen.attempt, other, seen.foreign_loads, seen.proven)

    if seen.attempt is not None:
        assert decide(seen) is decide(elsewhere)
