"""What two people may decide about money, and how a proposal ends."""

from enum import StrEnum


class Action(StrEnum):
    """What is to be done once a second person has agreed."""

    REFUND = "refund"
    """Subject: an order that is uncertain or held. Its money goes back without proof that it is not on the card."""

    WRITE_OFF = "write_off"
    """Subject: an order that is uncertain or held. Its money goes to the loss account."""

    CONFIRM_LOAD = "confirm_load"
    """Subject: an order that is uncertain or held. Its money was seen on the card."""

    REVERSE_CONFIRMATION = "reverse_confirmation"
    """Subject: an order that two people confirmed, and whose card has disproved it since. It is paid again."""

    REFUND_AGAIN = "refund_again"
    """Subject: a refund that the wallet refused. It is sent once more, under a new key."""

    REFUND_BY_HAND = "refund_by_hand"
    """Subject: a refund that cannot be sent or was refused. It was paid out by other means."""

    ABANDON_ISSUANCE = "abandon_issuance"
    """Subject: an issuance whose phone is lost. There will be no card: its number is spent, what was paid goes back."""

    RELEASE_ORDER = "release_order"
    """Subject: an order held by a restore. Its money is neither on the card nor paid back: it goes on."""

    RECORD_REFUND = "record_refund"
    """Subject: an order held by a restore. The customer has the money back, by a refund that the restore forgot."""

    RELEASE_CARD = "release_card"
    """Subject: a frozen card. Its next verified counter is believed."""


PROVEN = frozenset({Action.REFUND_BY_HAND, Action.CONFIRM_LOAD, Action.RELEASE_ORDER, Action.RECORD_REFUND})
"""Actions that need a proof: where the customer has the money, and how that was seen."""


MAY_BE_PROVEN = frozenset({Action.REVERSE_CONFIRMATION})
"""Actions that need a proof only where the card's word is not enough."""


class Outcome(StrEnum):
    """How a second person answered."""

    APPROVED = "approved"
    REJECTED = "rejected"
