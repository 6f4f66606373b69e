"""What may happen to an issuance order (MONEY.md, states)."""

from enum import StrEnum

from ota.core.machine import Machine


class IssuanceState(StrEnum):
    """How far a blank card has come."""

    REQUESTED = "requested"
    NUMBER_HELD = "number_held"
    CHANNEL_OPEN = "channel_open"
    INSTALLED = "installed"
    PERSONALISED = "personalised"
    ACTIVE = "active"
    UNCERTAIN = "uncertain"
    ROLLING_BACK = "rolling_back"
    ABANDONED = "abandoned"


class IssuanceEvent(StrEnum):
    """What a report, a caller or a timer makes of an order."""

    NUMBER_HELD = "number_held"
    CHANNEL_OPENED = "channel_opened"
    APPLICATIONS_INSTALLED = "applications_installed"
    PERSONALISATION_DONE = "personalisation_done"
    READ_BACK_VERIFIED = "read_back_verified"
    CONTACT_LOST = "contact_lost"
    ROLL_BACK_STARTED = "roll_back_started"
    ELEMENT_CLEARED = "element_cleared"
    CANCELLED = "cancelled"
    GIVEN_UP = "given_up"


_S, _E = IssuanceState, IssuanceEvent
_ON_THE_ELEMENT = (_S.CHANNEL_OPEN, _S.INSTALLED, _S.PERSONALISED)

ISSUANCE = Machine[IssuanceState, IssuanceEvent](
    "issuance",
    {
        (_S.REQUESTED, _E.NUMBER_HELD): _S.NUMBER_HELD,
        (_S.NUMBER_HELD, _E.CHANNEL_OPENED): _S.CHANNEL_OPEN,
        (_S.CHANNEL_OPEN, _E.APPLICATIONS_INSTALLED): _S.INSTALLED,
        (_S.INSTALLED, _E.PERSONALISATION_DONE): _S.PERSONALISED,
        (_S.PERSONALISED, _E.READ_BACK_VERIFIED): _S.ACTIVE,
        # The last report of an earlier contact may have been lost: the reading alone can find the card complete.
        (_S.UNCERTAIN, _E.READ_BACK_VERIFIED): _S.ACTIVE,
        (_S.UNCERTAIN, _E.CHANNEL_OPENED): _S.CHANNEL_OPEN,
        (_S.UNCERTAIN, _E.ROLL_BACK_STARTED): _S.ROLLING_BACK,
        (_S.ROLLING_BACK, _E.ELEMENT_CLEARED): _S.ABANDONED,
        (_S.REQUESTED, _E.CANCELLED): _S.ABANDONED,
        (_S.NUMBER_HELD, _E.CANCELLED): _S.ABANDONED,
        (_S.NUMBER_HELD, _E.CONTACT_LOST): _S.UNCERTAIN,
    }
    | {(state, _E.CONTACT_LOST): _S.UNCERTAIN for state in _ON_THE_ELEMENT}
    | {(state, _E.ROLL_BACK_STARTED): _S.ROLLING_BACK for state in _ON_THE_ELEMENT}
    # Four eyes: the phone is lost, and nobody will ever tell what its element holds.
    | {
        (state, _E.GIVEN_UP): _S.ABANDONED
        for state in (_S.NUMBER_HELD, *_ON_THE_ELEMENT, _S.UNCERTAIN, _S.ROLLING_BACK)
    },
)

FINAL = frozenset({IssuanceState.ACTIVE, IssuanceState.ABANDONED})
