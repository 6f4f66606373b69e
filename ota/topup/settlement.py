"""What each verdict does to the attempt, the order and the card, in one transaction that holds the card's lock."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final

from sqlalchemy import Connection

from ota.ledger import books, journals
from ota.registry import cards
from ota.topup import attempts, evidence, integrity, orders, payments
from ota.topup.attempts import Attempt
from ota.topup.decision import Verdict
from ota.topup.errors import CardFrozen, StillUncertain
from ota.topup.orders import TopupOrder
from ota.topup.outcome import Stopped
from ota.topup.states import ATTEMPT, TOPUP, AttemptEvent, AttemptState, TopupEvent, TopupState

Settle = Callable[[Connection, cards.Card, Attempt | None, TopupOrder, int, datetime], Stopped | None]

_SETTLED_BY_PEOPLE: Final = frozenset({TopupState.REFUNDING, TopupState.REFUNDED, TopupState.WRITTEN_OFF})
"""Money of an order that left it by a decision: whatever its card says then, no contact with the card may fail by it."""


def book_loaded(
    tx: Connection,
    attempt: Attempt,
    kind: str,
    now: datetime,
    event: AttemptEvent = AttemptEvent.PROVEN,
) -> TopupOrder | None:
    """The attempt is in the purse: it, its order, the card's counter and the books move on together.

    Where two people had given the money up before, their decision stands and the books show what it cost. None where
    another load is booked at this counter: one of the two is not true, and the card is frozen.
    """
    other = attempts.loaded_at(tx, attempt.card, attempt.counter)
    if other is not None:
        evidence.note(tx, attempt.order_id, attempt.id, "counter_taken", {"by": other.id, "proof": kind}, now)
        _contradict(tx, other, attempt.order_id, now)
        return None
    attempt.step(tx, event, now)
    evidence.note(tx, attempt.order_id, attempt.id, kind, {"counter": attempt.counter, "loaded": True}, now)
    cards.saw_counter(tx, attempt.card, attempt.counter + 1, now)
    order = orders.lock(tx, attempt.order_id)
    money = payments.of_order(tx, order.id).money
    if _was_given_up(attempt, order, TopupEvent.LOAD_PROVEN):
        journals.post(tx, books.load_after_decision(money, attempt.id), now)
        return order
    journals.post(tx, books.load_proven(money, attempt.id), now)
    return order.step(tx, TopupEvent.LOAD_PROVEN, now, {"attempt": attempt.id})


def _contradict(tx: Connection, booked: Attempt, about: str, now: datetime) -> Stopped:
    """A card shows a counter that it cannot show if what is booked were true; ``about`` is the order in question."""
    evidence.note(
        tx,
        booked.order_id,
        booked.id,
        evidence.NOT_MOVED,
        {"counter": booked.counter, "seen_for": about},
        now,
    )
    order = orders.get(tx, about)
    integrity.freeze(tx, cards.lock(tx, booked.card, order.city, now), about, evidence.NOT_MOVED, now)
    return Stopped(CardFrozen())


def _was_given_up(attempt: Attempt, order: TopupOrder, event: TopupEvent) -> bool:
    """Whether two people settled the money before the card could tell; a held order still waits for the card."""
    settled = attempt.state is AttemptState.DECIDED or order.state in _SETTLED_BY_PEOPLE
    return settled and not TOPUP.allows(order.state, event)


def _go_on(
    tx: Connection, known: cards.Card, _live: Attempt | None, order: TopupOrder, counter: int, now: datetime
) -> Stopped | None:
    disproved = attempts.loaded_at(tx, known.number, counter)
    if disproved is not None:
        return _contradict(tx, disproved, disproved.order_id, now)
    if known.last_atc not in (None, counter):
        evidence.note(
            tx, order.id, None, "loaded_elsewhere", {"expected": known.last_atc, "seen": counter}, now
        )
    cards.saw_counter(tx, known.number, counter, now)
    return None


def _it_arrived(
    tx: Connection, _known: cards.Card, live: Attempt | None, _order: TopupOrder, _counter: int, now: datetime
) -> Stopped | None:
    assert live is not None  # noqa: S101  the verdict speaks of a live attempt
    return None if book_loaded(tx, live, "fresh_mac1", now) is not None else Stopped(CardFrozen())


def _it_did_not_arrive(
    tx: Connection, known: cards.Card, live: Attempt | None, _order: TopupOrder, counter: int, now: datetime
) -> None:
    assert live is not None  # noqa: S101  the verdict speaks of a live attempt
    live.step(tx, AttemptEvent.DISPROVEN, now)
    evidence.note(tx, live.order_id, live.id, "fresh_mac1", {"counter": counter, "loaded": False}, now)
    order = orders.lock(tx, live.order_id)
    # Money in question by a restore may have gone back meanwhile: not being on the card does not free it.
    if not order.is_in_question and not _was_given_up(live, order, TopupEvent.LOAD_DISPROVEN):
        order.step(tx, TopupEvent.LOAD_DISPROVEN, now)
    cards.saw_counter(tx, known.number, counter, now)


def _nobody_knows(
    tx: Connection, known: cards.Card, live: Attempt | None, _order: TopupOrder, counter: int, now: datetime
) -> Stopped | None:
    assert live is not None  # noqa: S101  the verdict speaks of a live attempt
    evidence.note(tx, live.order_id, live.id, "unproven_counter", {"counter": counter}, now)
    if live.state is AttemptState.DECIDED:  # nothing waits for the answer any more
        _give_up(tx, known, live, counter, now)
        return None
    if ATTEMPT.allows(live.state, AttemptEvent.SILENT):
        live.step(tx, AttemptEvent.SILENT, now)
        orders.lock(tx, live.order_id).step(tx, TopupEvent.LOAD_IN_DOUBT, now)
    return Stopped(StillUncertain())


def _alarm(
    tx: Connection, known: cards.Card, live: Attempt | None, order: TopupOrder, counter: int, now: datetime
) -> Stopped | None:
    if live is not None and live.state is AttemptState.DECIDED and known.last_atc is None:
        _give_up(tx, known, live, counter, now)  # two people saw the jump, and believe this counter
        return None
    about = live.order_id if live is not None else order.id
    evidence.note(
        tx,
        about,
        live.id if live is not None else None,
        "counter_jumped",
        {"expected": live.counter if live is not None else known.last_atc, "seen": counter},
        now,
    )
    if live is None:  # nobody's money is in question: somebody else loaded
        cards.freeze(tx, known, "counter_jumped", now)
    else:
        integrity.freeze(tx, known, live.order_id, "counter_jumped", now)
    return Stopped(CardFrozen())


def _give_up(tx: Connection, known: cards.Card, live: Attempt, counter: int, now: datetime) -> None:
    """Nobody will ever know whether a load that two people decided about is in the purse; the card goes on."""
    live.step(tx, AttemptEvent.GIVEN_UP, now)
    cards.saw_counter(tx, known.number, counter, now)


SETTLE: Final[Mapping[Verdict, Settle]] = {
    Verdict.FREE: _go_on,
    Verdict.LOADED: _it_arrived,
    Verdict.NOT_LOADED: _it_did_not_arrive,
    Verdict.UNPROVEN: _nobody_knows,
    Verdict.LOADED_ELSEWHERE: _alarm,
    Verdict.JUMPED: _alarm,
}
