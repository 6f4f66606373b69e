"""Every edge at which a single fault can strike one customer or the platform: how many opportunities each kind has.

`test_single_faults` holds the table against a run without faults: whoever adds a request, a phase or a command adds
its edges here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from ota.sandbox.simulation.faults import HOST_FAULTS, Fault, Route, Strike
from ota.sandbox.simulation.practice import Practice

CUSTOMER: Final = "order 1"

_WIRE: Final = (
    Fault.REQUEST_LOST,
    Fault.REQUEST_LATE,
    Fault.REQUEST_TWICE,
    Fault.ANSWER_LOST,
    Fault.ANSWER_LATE,
    Fault.DIES_BEFORE_ANSWER,
)
_COMMIT: Final = (
    Fault.DIES_BEFORE_COMMIT,
    Fault.DIES_INSIDE_COMMIT,
    Fault.DIES_AFTER_COMMIT,
    Fault.COMMIT_UNKNOWN,
)
_PAUSE: Final = (Fault.RACE, Fault.STALL)
_HSM: Final = (Fault.HSM_SLOW, Fault.HSM_DOWN, Fault.HSM_ANSWER_LOST)
_TEAR: Final = (Fault.TORN_BEFORE, Fault.TORN_AFTER)
_WRITE: Final = (Fault.TORN_BEFORE_WRITE, Fault.TORN_AFTER_WRITE)
_OTHERS: Final = (Fault.PURCHASE, Fault.SECOND_TERMINAL, Fault.SECOND_PHONE)
_BATCH: Final = (
    Fault.PHONE_DIES,
    Fault.PHONE_FORGETS,
    Fault.REPORT_HELD_BACK,
    Fault.LYING_STATUS,
    Fault.LYING_BYTES,
    Fault.FALSE_SUCCESS,
    Fault.FALSE_FAILURE,
    Fault.OLD_ANSWER,
    Fault.WRONG_SEQ,
    Fault.OTHER_REPORT,
)
_HONEST_BATCH: Final = (Fault.PHONE_DIES, Fault.PHONE_FORGETS, Fault.REPORT_HELD_BACK)
_COMMANDS_OF_A_BUILD: Final = 35
"""From EXTERNAL AUTHENTICATE over each INSTALL and STORE DATA to the read-back, then the first load."""
_STEPS_OF_A_BUILD: Final = 19
"""Each DELETE, INSTALL and STORE DATA."""
_REPORT_OF_A_TERMINAL: Final = (
    Fault.PHONE_DIES,
    Fault.PHONE_FORGETS,
    Fault.LYING_BYTES,
    Fault.FALSE_SUCCESS,
    Fault.FALSE_FAILURE,
    Fault.OLD_ANSWER,
)
_NOTICE: Final = (
    Fault.NOTICE_LATE,
    Fault.NOTICE_TWICE,
    Fault.NOTICE_FORGED,
    Fault.AMOUNT_WRONG,
    Fault.PAID_TWICE,
    Fault.PAID_AFTER_CLOSE,
    Fault.TRADE_REUSED,
)


def _each(*groups: tuple[tuple[Fault, ...], int]) -> Mapping[Fault, int]:
    return {fault: times for faults, times in groups for fault in faults}


_PHONE: Final = (
    (_HSM, 3),
    (_TEAR, 4),
    (_WRITE, 1),
    ((Fault.CARD_REFUSES,), 2),
    ((Fault.CARD_SLOW,), 4),
    (_OTHERS, 4),
    (_BATCH, 2),
    ((Fault.TOKEN_REPLAYED, Fault.CARD_KEY_AHEAD), 1),
)

EDGES: Final[Mapping[Route, Mapping[Fault, int]]] = {
    Route.APP: _each(
        ((Fault.STAFF_DECIDES,), 1),
        (_WIRE, 4),
        (_COMMIT, 10),
        (_PAUSE, 20),
        ((Fault.DATABASE_DOWN,), 17),
        *_PHONE,
    ),
    Route.APP_LATER: _each(
        ((Fault.STAFF_DECIDES,), 1),
        (_WIRE, 6),
        (_COMMIT, 13),
        (_PAUSE, 23),
        ((Fault.DATABASE_DOWN,), 20),
        (_NOTICE, 1),
        *_PHONE,
    ),
    Route.TERMINAL: _each(
        (_WIRE, 3),
        (_COMMIT, 7),
        (_PAUSE, 17),
        ((Fault.DATABASE_DOWN,), 14),
        (_HSM, 3),
        (_TEAR, 4),
        (_WRITE, 1),
        ((Fault.CARD_REFUSES,), 2),
        (_OTHERS, 2),
        (_REPORT_OF_A_TERMINAL, 1),
        ((Fault.TOKEN_REPLAYED, Fault.CARD_KEY_AHEAD), 1),
    ),
    Route.NEW_CARD: _each(
        (_WIRE, 5),
        (_COMMIT, 12),
        (_PAUSE, 28),
        ((Fault.DATABASE_DOWN,), 24),
        (_HSM, 4),
        (_TEAR, _COMMANDS_OF_A_BUILD),
        ((Fault.CARD_SLOW,), _COMMANDS_OF_A_BUILD),
        (_WRITE, 1),
        ((Fault.CARD_REFUSES,), 2),
        (_OTHERS, 4),
        (_HONEST_BATCH, 2),
        ((Fault.ELEMENT_REFUSES,), _STEPS_OF_A_BUILD),
        ((Fault.ELEMENT_FULL, Fault.LEFT_BEHIND, Fault.CARD_CANCELLED, Fault.REFUND_ASKED), 1),
        ((Fault.TOKEN_REPLAYED, Fault.SMALL_BATCHES), 1),
    ),
}

TWO_PAYMENTS: Final = Strike(CUSTOMER, Fault.PAID_TWICE, 1)
"""Gives the platform something to do on its own: the second payment goes back, and the wallet is told."""

BACKSTAGE: Final[Mapping[str, Mapping[Fault, int]]] = {
    "jobs": _each((_COMMIT, 13), (_PAUSE, 26), ((Fault.DATABASE_DOWN,), 26), ((Fault.JOB_LATE,), 2)),
    "refund desk": _each(((Fault.REFUND_LOST, Fault.REFUND_SLOW, Fault.REFUND_ANSWER_LOST), 1)),
    "event desk": _each(((Fault.EVENT_LOST, Fault.EVENT_REFUSED, Fault.EVENT_ANSWER_LOST), 1)),
    "operator": _each(
        (
            (Fault.DEPLOY, Fault.KEY_ROTATED, Fault.CLOCK_JUMP, Fault.CARD_KEY_ROTATED, Fault.RESTORE),
            4,
        )
    ),
}


AT_A_CITY_HOST: Final = _each((HOST_FAULTS, 3))
"""MAC1 is checked, the load authorised, its TAC confirmed."""


WHERE_OTHERS_LOAD: Final = 4
"""Moments at which somebody else may load a card: before and after each batch of the phone."""

WHERE_THE_NUMBER_IS_FIXED: Final = 1
"""Questions for which answers can be collected beforehand."""


def every_edge_of_a_practice() -> Iterator[tuple[Practice, Strike]]:
    """Every single fault that only cities with a practice of their own know."""
    for practice in Practice:
        moments = _each(
            ((Fault.LOADED_BY_OTHERS,), WHERE_OTHERS_LOAD * practice.has_others),
            ((Fault.COLLECTED_ANSWER,), WHERE_THE_NUMBER_IS_FIXED * practice.is_fixed),
        )
        for strike in _strikes(CUSTOMER, moments):
            yield practice, strike


def every_edge_of_a_city_host() -> Iterator[Strike]:
    """Every single fault of every message to a self-issuing city's host."""
    yield from _strikes("city host", AT_A_CITY_HOST)


def every_edge() -> Iterator[tuple[Route, Strike]]:
    """Every single fault at every edge of every route."""
    for route, counts in EDGES.items():
        for strike in _strikes(CUSTOMER, counts):
            yield route, strike


def every_edge_backstage() -> Iterator[Strike]:
    """Every single fault at every edge of what nobody asked for: jobs, wallets' servers, operations."""
    for actor, counts in BACKSTAGE.items():
        yield from _strikes(actor, counts)


def _strikes(actor: str, counts: Mapping[Fault, int]) -> Iterator[Strike]:
    for fault, times in counts.items():
        for number in range(1, times + 1):
            yield Strike(actor, fault, number)
