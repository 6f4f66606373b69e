"""Is it really the card that was written? Readings compared, and a MAC1 that only the card's load key can make."""

from collections.abc import Callable, Sequence

from ota.card.apdu import Response
from ota.card.meanings import CommandKind
from ota.card.problems import problem_for
from ota.card.purse import Load, LoadAnswer
from ota.card.read_back import check_read_back
from ota.core.values import CardNumber, TerminalNumber
from ota.issuance.script import PROOF_AMOUNT, Script

CheckMac1 = Callable[[CardNumber, Load], None]
"""Raises Mac1Wrong unless the card's load key made the answer."""


class CardProof:
    """Checks a finished card: a phone may lie about readings, but it cannot make a MAC1."""

    def __init__(self, check_mac1: CheckMac1) -> None:
        self._check_mac1 = check_mac1

    def check(
        self,
        script: Script,
        readings: Sequence[Response],
        answer: Response,
        nonce: TerminalNumber,
        *,
        is_fresh: bool = True,
    ) -> int:
        """The card's online counter, as its MAC1 vouches for it.

        A card that is not fresh may have been loaded since it was made. Raises ReadBackDiffers, a status word's CardProblem,
        MalformedAnswer or Mac1Wrong.
        """
        check_read_back(script.readings(), readings, is_fresh=is_fresh)
        if not answer.sw.is_success:
            raise problem_for(CommandKind.INITIALIZE_FOR_LOAD, answer.sw)
        load = Load(PROOF_AMOUNT, nonce.to_bytes(), LoadAnswer.parse(answer.data))
        self._check_mac1(script.card, load)
        return load.answer.online_atc

    @staticmethod
    def check_readings(script: Script, readings: Sequence[Response]) -> None:
        """Raise ReadBackDiffers or a status word's CardProblem."""
        check_read_back(script.readings(), readings)
