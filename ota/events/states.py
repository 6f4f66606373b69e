"""What may happen to the delivery of one event."""

from enum import StrEnum

from ota.core.machine import Machine


class DeliveryState(StrEnum):
    """How far an event has come on its way to the wallet's server. Whatever it is, the feed shows the event."""

    WAITING = "waiting"
    ACKNOWLEDGED = "acknowledged"
    GIVEN_UP = "given_up"
    NOT_SENT = "not_sent"
    """The wallet has not said where its server listens: it reads its feed."""


class DeliveryEvent(StrEnum):
    """What ends a delivery, or begins it again."""

    ACKNOWLEDGED = "acknowledged"
    GIVEN_UP = "given_up"
    NO_ADDRESS = "no_address"
    ARMED_AGAIN = "armed_again"


_S, _E = DeliveryState, DeliveryEvent

DELIVERY = Machine[DeliveryState, DeliveryEvent](
    "delivery",
    {
        (_S.WAITING, _E.ACKNOWLEDGED): _S.ACKNOWLEDGED,
        (_S.WAITING, _E.GIVEN_UP): _S.GIVEN_UP,
        (_S.WAITING, _E.NO_ADDRESS): _S.NOT_SENT,
        (_S.GIVEN_UP, _E.ARMED_AGAIN): _S.WAITING,  # an operator, after the wallet's server was mended
    },
)
