"""The same seed strikes in the same order."""

from __future__ import annotations

import pytest

from chaos.plan import KILLS, Blow, digest, make_plan

EVERYTHING = tuple(Blow)


def test_the_same_seed_gives_the_same_plan_and_another_seed_another() -> None:
    plans = [digest(make_plan(seed, 40, 200, EVERYTHING)) for seed in (1, 1, 2)]

    assert plans[0] == plans[1] != plans[2]


@pytest.mark.parametrize("kills", [1, 6, 40, 300])
def test_a_plan_has_as_many_kills_as_were_asked_for_and_every_kind_where_there_is_room(kills: int) -> None:
    plan = make_plan(3, kills, 3000, EVERYTHING)

    killed = [strike.blow for strike in plan if strike.blow in KILLS]
    assert len(killed) == kills
    assert len(set(killed)) == min(kills, len(KILLS))


def test_what_a_machine_cannot_do_is_in_no_plan() -> None:
    plan = make_plan(3, 300, 3000, set(Blow) - {Blow.DISK_FULL, Blow.FSYNC_ERROR})

    assert {strike.blow for strike in plan} == set(Blow) - {Blow.DISK_FULL, Blow.FSYNC_ERROR}


def test_strikes_come_in_order_while_phones_are_at_work() -> None:
    moments = [strike.after for strike in make_plan(3, 300, 3000, EVERYTHING)]

    assert moments == sorted(moments)
    assert 0 <= moments[0] <= moments[-1] < 2700
