from __future__ import annotations

from ota.sandbox.simulation.faults import Fault, Scenario, Strike
from ota.sandbox.simulation.shrink import shrink
from ota.sandbox.simulation.verdict import Verdict
from ota.sandbox.simulation.world import Outcome

GUILTY = Strike("order 4", Fault.STALL, 2)
INNOCENT = tuple(Strike(f"order {number}", Fault.PURCHASE, number) for number in range(1, 9))


def _world(scenario: Scenario) -> Outcome:
    """Breaks whenever order 4 meets its stall, whatever else happens."""
    met = [strike for strike in (*INNOCENT, GUILTY) if int(strike.actor[-1]) in scenario.orders]
    struck = tuple(
        strike
        for strike in met
        if strike not in scenario.spared and (scenario.faults is None or strike.fault in scenario.faults)
    )
    violation = "a promise" if GUILTY in struck else None
    return Outcome(scenario, Verdict(0, 0, ()), violation, struck, {}, "00", [str(each) for each in struck])


def test_only_the_guilty_order_and_fault_are_left() -> None:
    failed = _world(Scenario(1, tuple(range(1, 9))))

    shortest = shrink(failed, _world)

    assert shortest.scenario.orders == (4,)
    assert shortest.struck == (GUILTY,)
    assert not shortest.ok


def test_the_search_gives_up_after_so_many_runs() -> None:
    runs: list[Scenario] = []

    def counted(scenario: Scenario) -> Outcome:
        runs.append(scenario)
        return _world(scenario)

    shrink(_world(Scenario(1, tuple(range(1, 9)))), counted, most_runs=5)

    assert len(runs) == 5
