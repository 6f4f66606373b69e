from __future__ import annotations

from dataclasses import replace

from ota.sandbox.simulation.faults import RATES, Dice, Fault, Scenario, Strike

FAULTS = (Fault.REQUEST_LOST, Fault.STALL, Fault.PURCHASE)
SCENARIO = Scenario(5, (1, 2), faults=frozenset(FAULTS))


def _draw(scenario: Scenario, *actors: str, times: int = 200) -> Dice:
    dice = Dice(scenario)
    for actor in actors:
        luck = dice.luck(actor)
        for _ in range(times):
            for fault in FAULTS:
                luck.strikes(fault)
    return dice


def test_the_same_seed_strikes_the_same() -> None:
    assert _draw(SCENARIO, "a", "b").struck == _draw(SCENARIO, "a", "b").struck != []


def test_another_seed_strikes_otherwise() -> None:
    assert _draw(SCENARIO, "a").struck != _draw(replace(SCENARIO, seed=6), "a").struck


def test_leaving_an_actor_out_does_not_change_the_others() -> None:
    both, alone = _draw(SCENARIO, "a", "b"), _draw(SCENARIO, "b")

    assert alone.struck == [strike for strike in both.struck if strike.actor == "b"]


def test_leaving_a_kind_out_does_not_change_the_others() -> None:
    kept = frozenset(FAULTS) - {Fault.STALL}

    fewer = _draw(replace(SCENARIO, faults=kept), "a")

    assert fewer.struck == [strike for strike in _draw(SCENARIO, "a").struck if strike.fault in kept]


def test_a_single_strike_can_be_spared() -> None:
    every = _draw(SCENARIO, "a").struck

    spared = _draw(replace(SCENARIO, spared=frozenset(every[:1])), "a").struck

    assert spared == every[1:]


def test_forced_strikes_replace_the_dice_and_edges_are_noted() -> None:
    strike = Strike("a", Fault.STALL, 3)

    dice = _draw(Scenario(5, (1,), forced=frozenset({strike})), "a", times=4)

    assert dice.struck == [strike]
    assert len(dice.met) == 4 * len(FAULTS)


def test_in_calm_nothing_strikes() -> None:
    dice = Dice(Scenario(5, (1,), forced=frozenset({Strike("a", Fault.STALL, 1)})), calm=True)

    assert not dice.luck("a").strikes(Fault.STALL)
    assert dice.struck == []


def test_every_seed_chooses_its_own_kinds() -> None:
    chosen = [Scenario(seed, (1,)).enabled for seed in range(20)]

    assert len(set(chosen)) == 20
    assert frozenset().union(*chosen) == frozenset(Fault)


def test_every_kind_has_a_rate() -> None:
    assert RATES.keys() == set(Fault)
    assert all(0 < rate < 1 for rate in RATES.values())


def test_a_strike_reads_as_a_sentence() -> None:
    assert str(Strike("order 3", Fault.STALL, 2)) == "order 3: stall at opportunity 2"
