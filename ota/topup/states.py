"""What may happen to a top-up order, to one attempt at loading it, and to its refund (MONEY.md, states)."""

from enum import StrEnum

from ota.core.machine import Machine


class TopupState(StrEnum):
    """Where the money of an order is."""

    CREATED = "created"
    PAID = "paid"
    LOADING = "loading"
    UNCERTAIN = "uncertain"
    LOADED = "loaded"
    REFUNDING = "refunding"
    REFUNDED = "refunded"
    CLOSED = "closed"
    WRITTEN_OFF = "written_off"
    HELD = "held"


class TopupEvent(StrEnum):
    """What a payment, a card or a person makes of an order."""

    PAYMENT_TAKEN = "payment_taken"
    CANCELLED = "cancelled"
    LOAD_AUTHORISED = "load_authorised"
    LOAD_IN_DOUBT = "load_in_doubt"
    LOAD_PROVEN = "load_proven"
    LOAD_DISPROVEN = "load_disproven"
    REFUND_STARTED = "refund_started"
    REFUND_DONE = "refund_done"
    REFUND_FAILED = "refund_failed"
    WRITTEN_OFF = "written_off"
    INTEGRITY_BROKEN = "integrity_broken"
    RELEASED = "released"


_S, _E = TopupState, TopupEvent

TOPUP = Machine[TopupState, TopupEvent](
    "top-up",
    {
        (_S.CREATED, _E.PAYMENT_TAKEN): _S.PAID,
        (_S.CREATED, _E.CANCELLED): _S.CLOSED,
        (_S.CLOSED, _E.PAYMENT_TAKEN): _S.PAID,  # a late notice: the money is there, so the order lives again
        (_S.PAID, _E.LOAD_AUTHORISED): _S.LOADING,
        (_S.LOADING, _E.LOAD_PROVEN): _S.LOADED,
        (_S.LOADING, _E.LOAD_DISPROVEN): _S.PAID,
        (_S.LOADING, _E.LOAD_IN_DOUBT): _S.UNCERTAIN,
        (_S.UNCERTAIN, _E.LOAD_PROVEN): _S.LOADED,
        (_S.UNCERTAIN, _E.LOAD_DISPROVEN): _S.PAID,
        (_S.UNCERTAIN, _E.WRITTEN_OFF): _S.WRITTEN_OFF,
        (_S.PAID, _E.REFUND_STARTED): _S.REFUNDING,
        (_S.REFUNDING, _E.REFUND_DONE): _S.REFUNDED,
        (_S.REFUNDING, _E.REFUND_FAILED): _S.PAID,
        (_S.PAID, _E.INTEGRITY_BROKEN): _S.HELD,
        (_S.LOADING, _E.INTEGRITY_BROKEN): _S.HELD,
        (_S.UNCERTAIN, _E.INTEGRITY_BROKEN): _S.HELD,
        (_S.HELD, _E.RELEASED): _S.UNCERTAIN,
    },
)


class AttemptState(StrEnum):
    """What is known of one MAC2."""

    AUTHORISED = "authorised"
    UNCERTAIN = "uncertain"
    LOADED = "loaded"
    DEAD = "dead"
    DECIDED = "decided"


class AttemptEvent(StrEnum):
    """What evidence says of one MAC2."""

    SILENT = "silent"
    PROVEN = "proven"
    DISPROVEN = "disproven"
    DECIDED = "decided"


_A, _V = AttemptState, AttemptEvent

ATTEMPT = Machine[AttemptState, AttemptEvent](
    "load attempt",
    {
        (_A.AUTHORISED, _V.PROVEN): _A.LOADED,
        (_A.AUTHORISED, _V.DISPROVEN): _A.DEAD,
        (_A.AUTHORISED, _V.SILENT): _A.UNCERTAIN,
        (_A.UNCERTAIN, _V.PROVEN): _A.LOADED,
        (_A.UNCERTAIN, _V.DISPROVEN): _A.DEAD,
        (_A.UNCERTAIN, _V.DECIDED): _A.DECIDED,
    },
)

LIVE = frozenset({AttemptState.AUTHORISED, AttemptState.UNCERTAIN})
"""States in which a card may still turn the MAC2 into money; one live attempt per card."""


class RefundState(StrEnum):
    """How far money is on its way back."""

    REQUESTED = "requested"
    SENT = "sent"
    UNKNOWN = "unknown"
    DONE = "done"
    FAILED = "failed"


class RefundEvent(StrEnum):
    """What the wallet's payment side says of a refund."""

    SENT = "sent"
    SILENT = "silent"
    CONFIRMED = "confirmed"
    REFUSED = "refused"
    SENT_AGAIN = "sent_again"


_R, _F = RefundState, RefundEvent

REFUND = Machine[RefundState, RefundEvent](
    "refund",
    {
        (_R.REQUESTED, _F.SENT): _R.SENT,
        (_R.SENT, _F.SILENT): _R.UNKNOWN,
        (_R.SENT, _F.CONFIRMED): _R.DONE,
        (_R.SENT, _F.REFUSED): _R.FAILED,
        (_R.UNKNOWN, _F.CONFIRMED): _R.DONE,
        (_R.UNKNOWN, _F.REFUSED): _R.FAILED,
        (_R.FAILED, _F.SENT_AGAIN): _R.SENT,
    },
)
