"""A load that nothing is heard of becomes uncertain also when its job is lost or has died."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ota.store import outbox
from ota.store.outbox import Patience
from ota.topup.jobs import SETTLE_SILENT_LOAD
from tests.elements import blank
from tests.platform import Platform, any_platform, make_platform, platform, sqlite_url

__all__ = ["any_platform", "make_platform", "platform", "sqlite_url"]


def silent_load(platform: Platform) -> str:
    """An order whose MAC2 has left, and whose phone says nothing more."""
    element = blank()
    order_id = str(platform.order_topup(platform.issue(element))["order_id"])
    platform.open(order_id, element).step()
    assert platform.topup_state(order_id) == "loading"
    return order_id


def jobs(platform: Platform) -> int:
    return len(platform.rows("SELECT id FROM outbox WHERE job = :job", job=SETTLE_SILENT_LOAD))


def lose(platform: Platform) -> None:
    platform.change("DELETE FROM outbox")


def die(platform: Platform) -> None:
    platform.clock.advance(minutes=2)
    now, one_try = platform.clock.now(), Patience(max_attempts=1)
    with platform.built.store.begin() as tx:
        for job in outbox.claim_due(tx, now, one_try):
            outbox.fail(tx, job, now, one_try, error="RuntimeError")


@pytest.mark.parametrize("end", [lose, die])
def test_a_silent_load_whose_job_is_gone_is_doubted_after_the_next_sweep(
    any_platform: Platform, end: Callable[[Platform], None]
) -> None:
    order_id = silent_load(any_platform)
    end(any_platform)
    any_platform.clock.advance(minutes=4)

    any_platform.built.runner.sweep()
    any_platform.built.runner.run_due()

    assert any_platform.topup_state(order_id) == "uncertain"
    assert jobs(any_platform) == 0


def test_a_load_whose_job_waits_gets_no_second_one(platform: Platform) -> None:
    silent_load(platform)
    platform.clock.advance(minutes=4)

    platform.built.runner.sweep()

    assert jobs(platform) == 1


def test_a_load_that_is_not_silent_for_long_is_left_alone(platform: Platform) -> None:
    silent_load(platform)
    lose(platform)
    platform.clock.advance(minutes=2)

    platform.built.runner.sweep()

    assert jobs(platform) == 0
