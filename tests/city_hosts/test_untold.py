"""A city hears how a load ended also when the job that was to tell it is lost or has died."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import pytest

from ota.sandbox.city_host import Fault
from ota.store import outbox
from ota.store.outbox import Patience
from tests.city_hosts.installation import Card, Province

LOST: Final = "DELETE FROM outbox"


def die(province: Province) -> None:
    """All tries of what is due fail."""
    now, one_try = province.clock.now(), Patience(max_attempts=1)
    with province.built.store.begin() as tx:
        for job in outbox.claim_due(tx, now, one_try):
            outbox.fail(tx, job, now, one_try, error="RuntimeError")


def lose(province: Province) -> None:
    province.change(LOST)


def void_is_owed(province: Province, card: Card) -> None:
    """The city may have promised a load that its card will not get."""
    _, phone = province.begin(card)
    province.host.plan("authorise", Fault.LATE)
    phone.step()
    assert province.hosted() == ["voiding"]


@pytest.mark.parametrize("end", [lose, die])
def test_a_void_whose_job_is_gone_is_told_after_the_next_sweep(
    any_province: Province, card: Card, end: Callable[[Province], None]
) -> None:
    void_is_owed(any_province, card)
    end(any_province)
    any_province.clock.advance(minutes=2)

    any_province.built.runner.sweep()
    any_province.run_jobs()

    assert (any_province.hosted(), any_province.at_the_host()) == (["void"], ["void"])
    assert any_province.jobs_waiting() == 0


def test_a_confirmation_whose_job_is_lost_is_told_after_the_next_sweep(
    province: Province, card: Card
) -> None:
    order_id, phone = province.begin(card)
    phone.step()
    phone.run()  # the card is credited, the report is lost
    province.open(order_id, card.element).finish()
    province.change("UPDATE hosted_load SET state = 'confirming', tac = NULL")
    lose(province)
    province.clock.advance(minutes=2)

    province.built.runner.sweep()
    province.run_jobs()

    assert (province.hosted(), province.at_the_host()) == (["confirmed"], ["loaded"])


def test_a_kept_tac_whose_job_is_lost_is_handed_in_after_the_next_sweep(
    province: Province, card: Card
) -> None:
    order_id, phone = province.begin(card)
    phone.step()
    province.host.plan("confirm", Fault.DOWN)
    phone.step()
    lose(province)
    province.clock.advance(minutes=2)

    province.built.runner.sweep()
    province.run_jobs()

    assert (province.topup_state(order_id), province.hosted()) == ("loaded", ["confirmed"])


def test_a_load_whose_job_waits_gets_no_second_one(province: Province, card: Card) -> None:
    void_is_owed(province, card)
    province.clock.advance(minutes=2)

    province.built.runner.sweep()

    assert province.jobs_waiting() == 1


def test_a_load_that_is_being_told_at_this_moment_is_left_alone(province: Province, card: Card) -> None:
    void_is_owed(province, card)
    lose(province)

    province.built.runner.sweep()

    assert province.jobs_waiting() == 0
