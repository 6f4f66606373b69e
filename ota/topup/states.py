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
    REFUND_DECIDED = "refund_decided"
    REFUND_DONE = "refund_done"
    REFUND_FAILED = "refund_failed"
    REFUND_FAILED_UNPROVEN = "refund_failed_unproven"
    WRITTEN_OFF = "written_off"
    INTEGRITY_BROKEN = "integrity_broken"
    RELEASED = "released"
    CONFIRMATION_REVERSED = "confirmation_reversed"
    DATABASE_RESTORED = "database_restored"
    FOUND_UNUSED = "found_unused"


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
        (_S.UNCERTAIN, _E.REFUND_DECIDED): _S.REFUNDING,  # four eyes
        (_S.PAID, _E.REFUND_STARTED): _S.REFUNDING,
        (_S.REFUNDING, _E.REFUND_DONE): _S.REFUNDED,
        (_S.REFUNDING, _E.REFUND_FAILED): _S.PAID,
        # Two people decided it without proof, so the money may be on the card: it must not be loaded again.
        (_S.REFUNDING, _E.REFUND_FAILED_UNPROVEN): _S.HELD,
        (_S.PAID, _E.INTEGRITY_BROKEN): _S.HELD,
        (_S.LOADING, _E.INTEGRITY_BROKEN): _S.HELD,
        (_S.UNCERTAIN, _E.INTEGRITY_BROKEN): _S.HELD,
        (_S.HELD, _E.RELEASED): _S.UNCERTAIN,
        (_S.HELD, _E.LOAD_PROVEN): _S.LOADED,  # evidence settles what is held, too
        (_S.HELD, _E.LOAD_DISPROVEN): _S.PAID,
        (_S.HELD, _E.REFUND_DECIDED): _S.REFUNDING,
        (_S.HELD, _E.WRITTEN_OFF): _S.WRITTEN_OFF,
        # Two people said it was loaded, and the card has disproved it since.
        (_S.LOADED, _E.CONFIRMATION_REVERSED): _S.PAID,
        # What became of its money since the backup is known outside only: two people look, then it goes on.
        (_S.PAID, _E.DATABASE_RESTORED): _S.HELD,
        (_S.LOADING, _E.DATABASE_RESTORED): _S.HELD,
        (_S.UNCERTAIN, _E.DATABASE_RESTORED): _S.HELD,
        (_S.HELD, _E.FOUND_UNUSED): _S.PAID,
    },
)


class AttemptState(StrEnum):
    """What is known of one MAC2."""

    AUTHORISED = "authorised"
    UNCERTAIN = "uncertain"
    LOADED = "loaded"
    DEAD = "dead"
    DECIDED = "decided"
    """Two people said what becomes of the money; what the card holds is still open."""
    GIVEN_UP = "given_up"


class AttemptEvent(StrEnum):
    """What evidence says of one MAC2."""

    SILENT = "silent"
    PROVEN = "proven"
    DISPROVEN = "disproven"
    DECIDED = "decided"
    GIVEN_UP = "given_up"
    CONFIRMATION_REVERSED = "confirmation_reversed"
    SEEN_AFTER_ALL = "seen_after_all"
    """Two people saw on the card what had counted as disproven; evidence had come up against that."""


_A, _V = AttemptState, AttemptEvent

ATTEMPT = Machine[AttemptState, AttemptEvent](
    "load attempt",
    {
        (_A.AUTHORISED, _V.PROVEN): _A.LOADED,
        (_A.AUTHORISED, _V.DISPROVEN): _A.DEAD,
        (_A.AUTHORISED, _V.SILENT): _A.UNCERTAIN,
        (_A.UNCERTAIN, _V.PROVEN): _A.LOADED,
        (_A.UNCERTAIN, _V.DISPROVEN): _A.DEAD,
        (_A.AUTHORISED, _V.DECIDED): _A.DECIDED,
        (_A.UNCERTAIN, _V.DECIDED): _A.DECIDED,
        # The next contact still tells the truth about the card, and the books want to know it.
        (_A.DECIDED, _V.PROVEN): _A.LOADED,
        (_A.DECIDED, _V.DISPROVEN): _A.DEAD,
        (_A.DECIDED, _V.GIVEN_UP): _A.GIVEN_UP,
        (_A.LOADED, _V.CONFIRMATION_REVERSED): _A.DEAD,
        (_A.DEAD, _V.SEEN_AFTER_ALL): _A.LOADED,
    },
)

OPEN = frozenset({AttemptState.AUTHORISED, AttemptState.UNCERTAIN})
"""States in which the order's money waits for what the card says."""

LIVE = OPEN | {AttemptState.DECIDED}
"""States in which the card may hold, or may still make, money of the MAC2; one live attempt per card."""


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
    TAKEN = "taken"
    """It has the refund and is working on it."""
    CONFIRMED = "confirmed"
    REFUSED = "refused"
    SENT_AGAIN = "sent_again"
    STARTED_AGAIN = "started_again"
    PAID_BY_HAND = "paid_by_hand"


_R, _F = RefundState, RefundEvent

REFUND = Machine[RefundState, RefundEvent](
    "refund",
    {
        (_R.REQUESTED, _F.SENT): _R.SENT,
        (_R.SENT, _F.SILENT): _R.UNKNOWN,
        (_R.SENT, _F.TAKEN): _R.SENT,
        (_R.UNKNOWN, _F.TAKEN): _R.SENT,
        (_R.SENT, _F.CONFIRMED): _R.DONE,
        (_R.SENT, _F.REFUSED): _R.FAILED,
        (_R.UNKNOWN, _F.CONFIRMED): _R.DONE,
        (_R.UNKNOWN, _F.REFUSED): _R.FAILED,
        (_R.UNKNOWN, _F.SENT_AGAIN): _R.SENT,  # the wallet was asked and has never heard of it
        (_R.FAILED, _F.STARTED_AGAIN): _R.REQUESTED,  # under a new key
        # Two people paid it out by other means: cash at a counter, a bank transfer. Not what is SENT: the wallet pays it.
        (_R.REQUESTED, _F.PAID_BY_HAND): _R.DONE,
        (_R.UNKNOWN, _F.PAID_BY_HAND): _R.DONE,
    },
)

PENDING = frozenset({RefundState.REQUESTED, RefundState.SENT, RefundState.UNKNOWN})
"""States in which a refund is on its way."""


class RefundReason(StrEnum):
    """Why money goes back: the order will not be loaded, or the payment never fitted an order."""

    REQUESTED = "requested"
    NOT_LOADED_IN_TIME = "not_loaded_in_time"
    FOUR_EYES = "four_eyes"
    CARD_NOT_MADE = "card_not_made"
    AMOUNT_DIFFERS = "amount_differs"
    PAID_TWICE = "paid_twice"


class PaymentPurpose(StrEnum):
    """What a payment was made for."""

    TOPUP = "topup"
    FEE = "fee"
