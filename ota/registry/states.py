"""What may happen to a card and to a card number (MONEY.md, states)."""

from enum import StrEnum

from ota.core.machine import Machine


class CardState(StrEnum):
    """The life of a card."""

    ACTIVE = "active"
    SUSPENDED = "suspended"
    MOVING = "moving"
    CLOSING = "closing"
    CLOSED = "closed"
    FROZEN = "frozen"


class CardEvent(StrEnum):
    """What changes a card's state."""

    SUSPENDED = "suspended"
    RESUMED = "resumed"
    MOVE_STARTED = "move_started"
    MOVE_FINISHED = "move_finished"
    CLOSING_STARTED = "closing_started"
    CLOSED = "closed"
    ALARMED = "alarmed"
    RELEASED = "released"


CARD = Machine[CardState, CardEvent](
    "card",
    {
        (CardState.ACTIVE, CardEvent.SUSPENDED): CardState.SUSPENDED,
        (CardState.SUSPENDED, CardEvent.RESUMED): CardState.ACTIVE,
        (CardState.ACTIVE, CardEvent.MOVE_STARTED): CardState.MOVING,
        (CardState.MOVING, CardEvent.MOVE_FINISHED): CardState.ACTIVE,
        (CardState.ACTIVE, CardEvent.CLOSING_STARTED): CardState.CLOSING,
        (CardState.CLOSING, CardEvent.CLOSED): CardState.CLOSED,
        (CardState.ACTIVE, CardEvent.ALARMED): CardState.FROZEN,
        (CardState.SUSPENDED, CardEvent.ALARMED): CardState.FROZEN,
        (CardState.MOVING, CardEvent.ALARMED): CardState.FROZEN,
        (CardState.CLOSING, CardEvent.ALARMED): CardState.FROZEN,
        (CardState.FROZEN, CardEvent.ALARMED): CardState.FROZEN,  # for another reason: people must look again
        (CardState.FROZEN, CardEvent.RELEASED): CardState.ACTIVE,
    },
)


class NumberState(StrEnum):
    """The life of a card number: used once, never again."""

    FREE = "free"
    HELD = "held"
    BOUND = "bound"
    RETIRED = "retired"


class NumberEvent(StrEnum):
    """What changes a number's state."""

    HELD = "held"
    BOUND = "bound"
    RETIRED = "retired"
    RELEASED = "released"
    SKIPPED = "skipped"


NUMBER = Machine[NumberState, NumberEvent](
    "card number",
    {
        (NumberState.FREE, NumberEvent.HELD): NumberState.HELD,
        (NumberState.HELD, NumberEvent.BOUND): NumberState.BOUND,
        # An order that was called off before anything was written gives its number back.
        (NumberState.HELD, NumberEvent.RELEASED): NumberState.FREE,
        # A number that was ever on an element is not given to another one: a broken issuance retires it.
        (NumberState.HELD, NumberEvent.RETIRED): NumberState.RETIRED,
        (NumberState.BOUND, NumberEvent.RETIRED): NumberState.RETIRED,
        # After a restore: it may have been given out since the backup, and nothing here remembers it.
        (NumberState.FREE, NumberEvent.SKIPPED): NumberState.RETIRED,
    },
)
