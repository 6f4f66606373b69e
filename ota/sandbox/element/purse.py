"""The purse: what it holds durably, replaced as a whole at each transaction, and what it forgets without power."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ota.sandbox.element.keyring import Keyring, PurseKey
from ota.sandbox.element.pin import Pin
from ota.sandbox.element.status import CONDITIONS_NOT_SATISFIED, COUNTER_AT_MAXIMUM, require

LOAD, PURCHASE, COMPOUND_PURCHASE = 0x02, 0x06, 0x09  # transaction types, CARD.md 1.8
COUNTER_MAXIMUM = 0xFFFF
LOG_RECORDS = 10


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the transaction log; `at` is date and time in 7 BCD bytes."""

    counter: int
    kind: int
    amount: int
    terminal: bytes
    at: bytes


@dataclass(frozen=True, slots=True)
class Proof:
    """What GET TRANSACTION PROVE tells of the last transaction."""

    kind: int
    counter: int
    mac: bytes
    tac: bytes


@dataclass(frozen=True, slots=True)
class State:
    """Everything durable. A transaction replaces it in one step, so that a power cut finds the old or the new."""

    balance: int = 0
    online_counter: int = 0
    offline_counter: int = 0
    log: tuple[Entry, ...] = ()
    proof: Proof | None = None


@dataclass(frozen=True, slots=True)
class Pending:
    """A transaction that was initialised and not finished; `counter` is its number before the increment."""

    kind: int
    amount: int
    terminal: bytes
    key: PurseKey
    random: bytes
    counter: int

    @property
    def context(self) -> bytes:
        """Amount, transaction type and terminal number, as every MAC covers them."""
        return self.amount.to_bytes(4, "big") + bytes((self.kind,)) + self.terminal


class Purse:
    """One purse, which one or two applications show."""

    def __init__(self, keys: Keyring, pin: Pin) -> None:
        self.keys = keys
        self.pin = pin
        self.state = State()
        self.ready = False
        self.pending: Pending | None = None

    def forget(self) -> None:
        """Drop what does not outlive the selection of the application."""
        self.pending = None
        self.pin.forget()

    def require_ready(self) -> None:
        """Refuse with 6985 before the personalisation is finished."""
        require(self.ready, CONDITIONS_NOT_SATISFIED)

    def require_counter(self, counter: int) -> None:
        """Refuse with 9402 a counter that cannot step any more."""
        require(counter < COUNTER_MAXIMUM, COUNTER_AT_MAXIMUM)

    def spend_proof(self) -> None:
        """The proof was read and is not given twice."""
        self.state = replace(self.state, proof=None)


def remembered(state: State, entry: Entry) -> tuple[Entry, ...]:
    """The log with one more line, newest first; the oldest falls out."""
    return (entry, *state.log)[:LOG_RECORDS]
