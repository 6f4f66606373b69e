"""The e-purse of JR/T 0025 and JT/T 978: loading, its MAC inputs, balances and proofs; facts from CARD.md 1.3 to 2.4."""

from dataclasses import dataclass
from typing import Final, Self

from ota.card.apdu import Command
from ota.card.problems import MalformedAnswer, PurseFull
from ota.core.errors import InvalidValue
from ota.core.values import MAX_FEN, CardTime, Fen, Mac4

LOAD: Final = 0x02
"""Transaction type of a load into the e-purse 电子钱包 (CARD.md 1.8)."""

SM4_INDEX_FLAG: Final = 0x40
"""Cards seen in the field put their SM4 load keys at index | 0x40 (CARD.md 1.3)."""

_PURSE: Final = 0x02  # P2: 01 names the e-deposit 电子存折, 02 the e-purse


def initialize_for_load(key_index: int, amount: Fen, terminal: bytes) -> Command:
    """INITIALIZE FOR LOAD 圈存初始化: key index, amount in fen, the 6-byte terminal number or challenge."""
    if not 0 <= key_index <= 0xFF:
        raise InvalidValue("key_index", "one byte")
    data = bytes((key_index,)) + amount.to_bytes() + _terminal(terminal)
    return Command(0x80, 0x50, 0x00, _PURSE, data, 0x10)


@dataclass(frozen=True, slots=True, repr=False)
class LoadAnswer:
    """What INITIALIZE FOR LOAD told: the state before the load, and MAC1 over it. Its repr keeps the MAC inputs out."""

    balance_raw: int
    online_atc: int
    key_version: int
    algorithm_id: int
    random: bytes
    mac1: Mac4

    def __post_init__(self) -> None:
        if not (0 <= self.balance_raw <= 0xFFFF_FFFF and 0 <= self.online_atc <= 0xFFFF):
            raise InvalidValue("load_answer", "a balance of 4 and a counter of 2 bytes")
        if not (0 <= self.key_version <= 0xFF and 0 <= self.algorithm_id <= 0xFF and len(self.random) == 4):
            raise InvalidValue("load_answer", "a key version and an algorithm of 1 byte, a random of 4")

    def __repr__(self) -> str:
        return f"LoadAnswer(atc={self.online_atc}, key={self.key_version}, algorithm={self.algorithm_id:02X})"

    @property
    def balance(self) -> Fen:
        """The balance before the load; the top bit is not part of the amount (CARD.md 1.2)."""
        return Fen(self.balance_raw & MAX_FEN)

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Read the 16 bytes of the answer; raises MalformedAnswer."""
        if len(data) != 16:
            raise MalformedAnswer("answer to INITIALIZE FOR LOAD", "16 bytes")
        return cls(
            balance_raw=int.from_bytes(data[0:4], "big"),
            online_atc=int.from_bytes(data[4:6], "big"),
            key_version=data[6],
            algorithm_id=data[7],
            random=data[8:12],
            mac1=Mac4(data[12:16]),
        )

    def require_room(self, amount: Fen, ceiling: Fen) -> None:
        """Raise PurseFull when the load would lift the balance above the purse's ceiling."""
        room = max(0, ceiling.amount - self.balance.amount)
        if amount.amount > room:
            raise PurseFull(ceiling.amount, room)


@dataclass(frozen=True, slots=True, repr=False)
class Load:
    """One load between a card and a host: says what is MACed (CARD.md 2.3, 2.4); the keys stay in the HSM adapter.

    ``terminal`` is what INITIALIZE FOR LOAD carried, ``at`` the host's date and time of CREDIT FOR LOAD.
    """

    amount: Fen
    terminal: bytes
    answer: LoadAnswer
    at: CardTime | None = None
    transaction_type: int = LOAD

    def __post_init__(self) -> None:
        _terminal(self.terminal)
        if not 0 <= self.transaction_type <= 0xFF:
            raise InvalidValue("transaction_type", "one byte")

    def __repr__(self) -> str:
        return f"Load(amount={self.amount.amount}, atc={self.answer.online_atc})"

    @property
    def session_seed(self) -> bytes:
        """8 bytes that make the session key of the load key: random, online ATC, 8000."""
        return self.answer.random + self._atc + b"\x80\x00"

    @property
    def mac1_data(self) -> bytes:
        """15 bytes: balance as the card returned it, amount, type, terminal."""
        return self.answer.balance_raw.to_bytes(4, "big") + self._terms

    @property
    def mac2_data(self) -> bytes:
        """18 bytes: amount, type, terminal, date, time. Raises InvalidValue while the load has no time."""
        return self._terms + self._moment

    @property
    def tac_data(self) -> bytes:
        """24 bytes: balance after, online ATC before its increment, amount, type, terminal, date, time."""
        # Added in 32 bits, as the card does: a purse overdrawn into the top bit comes out right as well.
        after = (self.answer.balance_raw + self.amount.amount) & 0xFFFF_FFFF
        return after.to_bytes(4, "big") + self._atc + self._terms + self._moment

    @property
    def balance_after(self) -> Fen:
        """The balance a reader will see once the load has happened."""
        return Fen((self.answer.balance_raw + self.amount.amount) & MAX_FEN)

    @property
    def _atc(self) -> bytes:
        return self.answer.online_atc.to_bytes(2, "big")

    @property
    def _terms(self) -> bytes:
        return self.amount.to_bytes() + bytes((self.transaction_type,)) + self.terminal

    @property
    def _moment(self) -> bytes:
        if self.at is None:
            raise InvalidValue("at", "the load's date and time, set before MAC2")
        return self.at.to_bytes()


def credit_for_load(at: CardTime, mac2: Mac4) -> Command:
    """CREDIT FOR LOAD 圈存: the host's date and time and MAC2; the card answers with the TAC."""
    return Command(0x80, 0x52, 0x00, 0x00, at.to_bytes() + mac2.value, 0x04)


def parse_tac(data: bytes) -> Mac4:
    """The TAC that CREDIT FOR LOAD returns; raises MalformedAnswer."""
    if len(data) != 4:
        raise MalformedAnswer("answer to CREDIT FOR LOAD", "4 bytes")
    return Mac4(data)


def get_balance(le: int = 0x04) -> Command:
    """GET BALANCE of the e-purse."""
    return Command(0x80, 0x5C, 0x00, _PURSE, le=le)


def parse_balance(data: bytes) -> Fen:
    """The balance of 4 bytes, its top bit masked as every reader does; raises MalformedAnswer."""
    if len(data) != 4:
        raise MalformedAnswer("balance", "4 bytes")
    return Fen(int.from_bytes(data, "big") & MAX_FEN)


def get_transaction_prove(atc: int, transaction_type: int = LOAD) -> Command:
    """GET TRANSACTION PROVE 取交易认证 of one transaction by its type and counter (CARD.md 1.6)."""
    if not 0 <= atc <= 0xFFFF:
        raise InvalidValue("atc", "0 to 65535")
    return Command(0x80, 0x5A, 0x00, transaction_type, atc.to_bytes(2, "big"), 0x08)


@dataclass(frozen=True, slots=True)
class Prove:
    """What a card proves of a past transaction; for a load the MAC half is zero on the applets seen."""

    mac: Mac4
    tac: Mac4


def parse_prove(data: bytes) -> Prove:
    """Read the 8 bytes of GET TRANSACTION PROVE; raises MalformedAnswer."""
    if len(data) != 8:
        raise MalformedAnswer("transaction proof", "8 bytes")
    return Prove(Mac4(data[:4]), Mac4(data[4:]))


def _terminal(terminal: bytes) -> bytes:
    if len(terminal) != 6:
        raise InvalidValue("terminal", "6 bytes")
    return terminal
