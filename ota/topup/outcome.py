"""The ways a card's answer can be answered."""

from dataclasses import dataclass

from ota.core.errors import OtaError
from ota.core.values import CardTime, Mac4
from ota.topup.attempts import Attempt
from ota.topup.orders import TopupOrder


@dataclass(frozen=True, slots=True)
class Authorised:
    """The card may be credited: MAC2 and the host's time for CREDIT FOR LOAD."""

    attempt: Attempt
    mac2: Mac4

    @property
    def at(self) -> CardTime:
        """Date and time that MAC2 covers."""
        assert self.attempt.load.at is not None  # noqa: S101  an attempt is never written without its time
        return self.attempt.load.at


@dataclass(frozen=True, slots=True)
class Arrived:
    """The order's money is in the purse."""

    order: TopupOrder


@dataclass(frozen=True, slots=True)
class AskAgain:
    """The earlier attempt is settled; the card must be asked once more, with the amount of the order."""


@dataclass(frozen=True, slots=True)
class Stopped:
    """The load cannot go on; what was decided is written."""

    problem: OtaError


Decision = Authorised | Arrived | AskAgain | Stopped
