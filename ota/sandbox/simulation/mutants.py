"""Rules that are known to be wrong, put into the product from outside: the simulation must find each of them.

The product has no switch for any of this. A mutant replaces one rule by the wrong one that somebody could have written.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Final

from ota.sandbox.simulation.mutations import decisions, hosts, keys, loads, payments, sessions


@dataclass(frozen=True, slots=True)
class Mutant:
    """One wrong rule: what it says, and how it is put in the place of the right one for a while."""

    name: str
    rule: str
    put_in: Callable[[], AbstractContextManager[None]]


_ALL: Final = (
    Mutant("balance-comparison", "a load arrived if the balance has grown by it", loads.balance_comparison),
    Mutant("time-out-refund", "a load that nobody reported is refunded after a while", loads.time_out_refund),
    Mutant(
        "stale-init-accepted", "any answer to INITIALIZE FOR LOAD counts, however old", loads.stale_answer
    ),
    Mutant("challenge-answered-twice", "a challenge stays open after its answer", loads.challenge_twice),
    Mutant("mac2-before-commit", "MAC2 leaves while its attempt is still being written", loads.mac2_early),
    Mutant("denial-unrefuted", "what an old answer denied may be loaded once more", loads.denial_unrefuted),
    Mutant("others-forgotten", "a counter that moved by one was moved by us", loads.others_forgotten),
    Mutant("jump-unnoticed", "a counter that jumped was moved by us, too", loads.jump_unnoticed),
    Mutant("tac-unchecked", "any TAC proves a load", loads.tac_unchecked),
    Mutant("card-lock-removed", "a load is decided on what was read before the lock", loads.no_card_lock),
    Mutant("posting-not-unique", "a repeated notice is booked again", payments.posting_not_unique),
    Mutant("notice-amount-unchecked", "whatever was paid pays the order", payments.amount_unchecked),
    Mutant(
        "surplus-unbooked",
        "a payment that cannot serve is refused, and that is that",
        payments.surplus_unbooked,
    ),
    Mutant("one-citys-books", "every city's money stands in the books of one", payments.one_city),
    Mutant("yuan-as-float", "amounts are yuan in floating point on their way", payments.yuan_as_float),
    Mutant(
        "day-cut-by-wall-clock", "the business day is the date on the server's clock", payments.wall_clock_day
    ),
    Mutant("replay-store-off", "a proof may be used again", sessions.replay_store_off),
    Mutant("seq-unchecked", "a report answers whatever batch is waiting", sessions.seq_unchecked),
    Mutant("key-version-ignored", "the newest key is the key of every card", keys.stated_version_ignored),
    Mutant("key-state-unasked", "the HSM says in time that a key is verify-only", keys.bar_unasked),
    Mutant("city-host-untold", "a city's host need not hear how a load ended", hosts.untold),
    Mutant(
        "trail-unchained", "an entry of the audit trail need not name the one before", decisions.unchained
    ),
    Mutant("one-person-decides", "who proposes a decision may approve it", decisions.one_person),
    Mutant("decision-of-any-attempt", "a decision is about whatever attempt is open", decisions.any_attempt),
)

MUTANTS: Final[Mapping[str, Mutant]] = {mutant.name: mutant for mutant in _ALL}
