"""Reads a personalised card as a reader would and holds what it says against what was written."""

from collections.abc import Sequence
from dataclasses import dataclass

from ota.card import tlv
from ota.card.apdu import Command, Response
from ota.card.meanings import CommandKind
from ota.card.perso import CardValues, gaps_of
from ota.card.problems import kind_of, problem_for
from ota.card.product import Product
from ota.card.status import StatusPattern
from ota.core.errors import CardProblem, NextAction


class ReadBackDiffers(CardProblem):
    """The card does not say what was written into it. Names the reading, never what was read."""

    code = "read_back_differs"

    def __init__(self, reading: str) -> None:
        super().__init__(
            english=f"The card reads otherwise than it was written: {reading}.",
            chinese=f"卡片读出内容与写入内容不一致: {reading}。",
            next_action=NextAction.RESUME,
            retryable=True,
            details={"reading": reading},
        )


@dataclass(frozen=True, slots=True, repr=False)
class Expectation:
    """One command of the read-back and what its answer must be. Its repr shows neither."""

    name: str
    command: Command
    status: StatusPattern
    path: tuple[int, ...]
    expected: bytes

    def __repr__(self) -> str:
        return f"Expectation({self.name})"

    def check(self, response: Response) -> None:
        """Raise the status word's CardProblem, MalformedAnswer for broken TLV, or ReadBackDiffers."""
        if not self.status.matches(response.sw):
            raise problem_for(kind_of(self.command), response.sw)
        if self._found(response.data) != self.expected:
            raise ReadBackDiffers(self.name)

    def _found(self, data: bytes) -> bytes | None:
        if not self.path:
            return data
        element = tlv.find(tlv.parse(data), *self.path)
        return None if element is None else element.value


def read_back(product: Product, values: CardValues) -> tuple[Expectation, ...]:
    """What a reader asks of a fresh card of this product, in order, and what it must find."""
    gaps = gaps_of(product, values)
    return tuple(
        Expectation(
            name=reading.name,
            command=Command.parse(reading.command.render(gaps)),
            status=reading.status,
            path=reading.path,
            expected=reading.expected.render(gaps)[: reading.length],
        )
        for reading in product.readings
    )


def check_read_back(
    expectations: Sequence[Expectation], responses: Sequence[Response], *, is_fresh: bool = True
) -> None:
    """Check every answer in order; raises the first one's CardProblem, or ReadBackDiffers for a missing answer.

    A card that is not fresh may hold any balance.
    """
    for number, expectation in enumerate(expectations):
        if number >= len(responses):
            raise ReadBackDiffers(expectation.name)
        if is_fresh or kind_of(expectation.command) is not CommandKind.GET_BALANCE:
            expectation.check(responses[number])
