"""The card's own journal of transactions, EF 0x18 and its like: 23-byte records (CARD.md 3.5)."""

from dataclasses import dataclass
from typing import Final, Self

from ota.card.problems import MalformedAnswer
from ota.card.purse import Load
from ota.core.errors import InvalidValue
from ota.core.values import MAX_FEN, CardTime, Fen

RECORD_LENGTH: Final = 23


@dataclass(frozen=True, slots=True)
class LogRecord:
    """One line of the journal. ``at`` is None when the seven bytes are no moment, as on a blank record."""

    atc: int
    overdraft_limit: int
    amount: Fen
    transaction_type: int
    terminal: bytes
    at: CardTime | None

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Read the 23 bytes of a record; raises MalformedAnswer for another length."""
        if len(data) != RECORD_LENGTH:
            raise MalformedAnswer("transaction record", f"{RECORD_LENGTH} bytes")
        return cls(
            atc=int.from_bytes(data[0:2], "big"),
            overdraft_limit=int.from_bytes(data[2:5], "big"),
            amount=Fen(int.from_bytes(data[5:9], "big") & MAX_FEN),
            transaction_type=data[9],
            terminal=data[10:16],
            at=_moment(data[16:23]),
        )

    def shows(self, load: Load) -> bool:
        """Whether this line is that load: amount, type, terminal, date and time agree.

        The counter only has to be near: one chip logs it after its increment, another before (CARD.md 3.5).
        """
        return (
            load.at is not None
            and self.at == load.at
            and self.amount == load.amount
            and self.terminal == load.terminal
            and self.transaction_type == load.transaction_type
            and (self.atc - load.answer.online_atc) & 0xFFFF in (0, 1)
        )


def _moment(raw: bytes) -> CardTime | None:
    try:
        return CardTime(raw.hex())
    except InvalidValue:
        return None
