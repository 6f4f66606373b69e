"""Guesses at a second factor are few, however they come; a right code counts once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from ota.core.principal import CallerKind
from ota.store.callers import Caller, Callers
from ota.store.phases import Store
from ota.store.second_factor import (
    LOCK_AFTER,
    PAUSE,
    PAUSE_AFTER,
    SecondFactorLocked,
    SecondFactorPaused,
    SecondFactors,
)
from tests.store.conftest import SetClock

CLERK = "c" * 64  # as long as an id may be


@pytest.fixture
def factors(store: Store, clock: SetClock) -> SecondFactors:
    Callers(store).register(Caller(CLERK, CallerKind.STAFF, {}), clock.now())
    return SecondFactors(store, clock)


def allowed(factors: SecondFactors, tries: int) -> int:
    """How many of some tries at once are let through."""

    def guess(_: int) -> bool:
        try:
            factors.begin_try(CLERK)
        except (SecondFactorPaused, SecondFactorLocked):
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        return sum(pool.map(guess, range(tries)))


def test_many_guesses_at_once_do_not_outrun_the_limit(factors: SecondFactors) -> None:
    assert allowed(factors, 16) == PAUSE_AFTER


def test_the_pause_ends(factors: SecondFactors, clock: SetClock) -> None:
    allowed(factors, PAUSE_AFTER)
    clock.advance(seconds=PAUSE.total_seconds() - 0.5)

    with pytest.raises(SecondFactorPaused) as paused:
        factors.begin_try(CLERK)
    clock.advance(seconds=0.5)

    assert paused.value.details["retry_after_s"] == 1
    assert allowed(factors, 1) == 1


def test_guessing_on_ends_in_a_lock_that_only_an_operator_opens(
    factors: SecondFactors, clock: SetClock
) -> None:
    let_through = 0
    for _ in range(LOCK_AFTER):  # rounds with a pause after each: far more than it takes
        let_through += allowed(factors, 8)
        clock.advance(days=1)

    with pytest.raises(SecondFactorLocked):
        factors.begin_try(CLERK)

    assert let_through == LOCK_AFTER
    assert factors.unlock(CLERK)
    assert allowed(factors, 1) == 1


def test_a_right_code_forgets_the_wrong_ones(factors: SecondFactors) -> None:
    allowed(factors, PAUSE_AFTER - 1)
    factors.begin_try(CLERK)
    factors.accept(CLERK, 100)

    assert not factors.unlock(CLERK)
    assert allowed(factors, 16) == PAUSE_AFTER


@pytest.mark.parametrize(("step", "accepted"), [(99, False), (100, False), (101, True)])
def test_a_code_counts_once_and_no_older_one_after_it(
    factors: SecondFactors, step: int, accepted: bool
) -> None:
    factors.begin_try(CLERK)
    factors.accept(CLERK, 100)

    assert factors.accept(CLERK, step) is accepted


def test_of_two_that_show_one_code_at_once_one_is_let_in(factors: SecondFactors) -> None:
    factors.begin_try(CLERK)

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: factors.accept(CLERK, 100), range(4)))

    assert answers.count(True) == 1
