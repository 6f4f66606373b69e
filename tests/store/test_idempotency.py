"""One answer per key, whoever dies meanwhile."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa

from ota.core.errors import Busy
from ota.store.engine import open_engine
from ota.store.idempotency import Claim, IdempotentAnswers, KeyReused, Reply
from ota.store.migrations import upgrade
from ota.store.phases import Store
from tests.store.conftest import SetClock

DIGEST, OTHER = b"1" * 32, b"2" * 32


@pytest.fixture
def answers(store: Store, clock: SetClock) -> IdempotentAnswers:
    return IdempotentAnswers(store, clock)


def test_a_finished_key_gives_its_answer(answers: IdempotentAnswers) -> None:
    claim = answers.claim("wallet", "k", DIGEST)
    answers.finish(claim, 201, b"{}")

    again = answers.claim("wallet", "k", DIGEST)

    assert claim.stored is None
    assert again.stored == Reply(201, b"{}")


def test_a_key_that_is_worked_on_is_busy(answers: IdempotentAnswers) -> None:
    answers.claim("wallet", "k", DIGEST)

    with pytest.raises(Busy):
        answers.claim("wallet", "k", DIGEST)


@pytest.mark.parametrize("finished", [True, False])
def test_a_key_belongs_to_one_request(answers: IdempotentAnswers, finished: bool) -> None:
    claim = answers.claim("wallet", "k", DIGEST)
    if finished:
        answers.finish(claim, 201, b"{}")

    with pytest.raises(KeyReused):
        answers.claim("wallet", "k", OTHER)


def test_a_claim_of_a_dead_process_is_free_after_its_lease(
    answers: IdempotentAnswers, clock: SetClock
) -> None:
    answers.claim("wallet", "k", DIGEST)
    clock.advance(seconds=30)

    second = answers.claim("wallet", "k", DIGEST)

    assert second.stored is None


def test_the_first_answer_wins_when_a_claim_was_taken_over(
    answers: IdempotentAnswers, clock: SetClock
) -> None:
    slow = answers.claim("wallet", "k", DIGEST)
    clock.advance(seconds=30)
    quick = answers.claim("wallet", "k", DIGEST)
    answers.finish(quick, 201, b'{"by":"quick"}')

    sent = answers.finish(slow, 201, b'{"by":"slow"}')

    assert sent == Reply(201, b'{"by":"quick"}')


def test_a_released_key_is_as_good_as_new(answers: IdempotentAnswers) -> None:
    answers.release(answers.claim("wallet", "k", DIGEST), keep_digest=False)

    assert answers.claim("wallet", "k", OTHER).stored is None


def test_a_released_key_may_stay_bound_to_its_request(answers: IdempotentAnswers) -> None:
    answers.release(answers.claim("wallet", "k", DIGEST), keep_digest=True)

    with pytest.raises(KeyReused):
        answers.claim("wallet", "k", OTHER)
    assert answers.claim("wallet", "k", DIGEST).stored is None


def test_releasing_what_another_took_over_changes_nothing(
    answers: IdempotentAnswers, clock: SetClock
) -> None:
    slow = answers.claim("wallet", "k", DIGEST)
    clock.advance(seconds=30)
    answers.claim("wallet", "k", DIGEST)

    answers.release(slow, keep_digest=False)

    with pytest.raises(Busy):
        answers.claim("wallet", "k", DIGEST)


def test_an_answer_to_a_forgotten_key_is_still_sent(answers: IdempotentAnswers) -> None:
    claim = answers.claim("wallet", "k", DIGEST)
    answers.release(claim, keep_digest=False)

    assert answers.finish(claim, 200, b"{}") == Reply(200, b"{}")


def test_of_many_at_once_one_works(answers: IdempotentAnswers) -> None:
    def ask(_: int) -> Claim | None:
        try:
            return answers.claim("wallet", "k", DIGEST)
        except Busy:
            return None

    with ThreadPoolExecutor(8) as pool:
        claims = list(pool.map(ask, range(8)))

    assert sum(claim is not None for claim in claims) == 1


def test_a_key_that_is_given_back_between_the_two_looks_is_taken(postgres_url: str, clock: SetClock) -> None:
    """Only PostgreSQL lets the holder in between: SQLite's writers take turns."""
    store = Store(open_engine(postgres_url))
    upgrade(store.engine)
    answers = IdempotentAnswers(store, clock)
    held = [answers.claim("wallet", "k", DIGEST)]

    @sa.event.listens_for(store.engine, "after_cursor_execute")
    def give_back(_: object, __: object, statement: str, *___: object) -> None:
        if statement.startswith("INSERT INTO idempotency") and held:
            answers.release(held.pop(), keep_digest=False)

    second = answers.claim("wallet", "k", OTHER)

    store.close()
    assert second.stored is None


def test_a_key_that_slips_away_again_and_again_is_busy(postgres_url: str, clock: SetClock) -> None:
    store = Store(open_engine(postgres_url))
    upgrade(store.engine)
    answers, others = IdempotentAnswers(store, clock), Store(open_engine(postgres_url))
    rivals = IdempotentAnswers(others, clock)

    @sa.event.listens_for(store.engine, "before_cursor_execute")
    def take(_: object, __: object, statement: str, *___: object) -> None:
        if statement.startswith("INSERT INTO idempotency"):
            held.append(rivals.claim("wallet", "k", DIGEST))

    @sa.event.listens_for(store.engine, "after_cursor_execute")
    def give_back(_: object, __: object, statement: str, *___: object) -> None:
        if statement.startswith("INSERT INTO idempotency"):
            rivals.release(held.pop(), keep_digest=False)

    held: list[Claim] = []

    with pytest.raises(Busy):
        answers.claim("wallet", "k", OTHER)

    store.close()
    others.close()
