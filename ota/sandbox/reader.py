"""A card reader: commands in, data and status word out, with the detours that other cards make.

Real cards behind a contact interface answer ``61xx`` and want GET RESPONSE, ``6Cxx`` and want another Le, or refuse
the Le of a command with data (ISO/IEC 7816-3 12.2). Whoever talks through a reader sees none of this.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from ota.sandbox.transport import CardGone, Transport

OK: Final = 0x9000
_WRONG_LENGTH: Final = 0x6700
_SECURE_MESSAGING: Final = 0x04
_MOST_FETCHES: Final = 8
_LONGEST_ANSWER: Final = 256


@dataclass(frozen=True, slots=True)
class Answer:
    """What a card answered: data and status word."""

    data: bytes
    sw: int

    @property
    def ok(self) -> bool:
        """Whether the card says 9000."""
        return self.sw == OK

    @property
    def sw_hex(self) -> str:
        """The status word as four hex digits."""
        return f"{self.sw:04X}"


@dataclass(frozen=True, slots=True)
class Spoken:
    """One command and its answer, with the seconds it took and what it was for."""

    command: bytes
    answer: Answer
    seconds: float
    note: str = ""


class Reader:
    """Talks to one card. ``listen`` is told every command with its answer."""

    def __init__(self, transport: Transport, listen: Callable[[Spoken], None] | None = None) -> None:
        self._transport = transport
        self._listeners = [listen] if listen is not None else []

    def send(self, apdu: bytes | str, note: str = "") -> Answer:
        """Send one command; raises CardGone."""
        command = bytes.fromhex(apdu) if isinstance(apdu, str) else apdu
        started = time.perf_counter()
        answer = self._with_detours(command)
        spoken = Spoken(command, answer, time.perf_counter() - started, note)
        for listen in self._listeners:
            listen(spoken)
        return answer

    @contextmanager
    def keeping(self) -> Iterator[list[Spoken]]:
        """A list that fills with whatever is said meanwhile."""
        kept: list[Spoken] = []
        self._listeners.append(kept.append)
        try:
            yield kept
        finally:
            self._listeners.remove(kept.append)

    def reset(self) -> None:
        """Cut the card's power and give it back."""
        self._transport.reset()

    def close(self) -> None:
        """Take the card away."""
        self._transport.close()

    def _with_detours(self, command: bytes) -> Answer:
        answer = self._once(command)
        if answer.sw == _WRONG_LENGTH and has_data_and_le(command) and not command[0] & _SECURE_MESSAGING:
            answer = self._once(command[:-1])  # refused for its length, so nothing was done
        if answer.sw >> 8 == 0x6C:
            answer = self._once(with_le(command, answer.sw & 0xFF))
        return self._fetch_rest(answer)

    def _fetch_rest(self, answer: Answer) -> Answer:
        data = answer.data
        for _ in range(_MOST_FETCHES):
            if answer.sw >> 8 != 0x61:
                break
            answer = self._once(bytes((0x00, 0xC0, 0x00, 0x00, answer.sw & 0xFF)))
            data += answer.data
        if len(data) > _LONGEST_ANSWER:
            raise CardGone("unknown", f"expected at most {_LONGEST_ANSWER} bytes of answer")
        return Answer(data, answer.sw)

    def _once(self, command: bytes) -> Answer:
        raw = self._transport.transmit(command)
        return Answer(raw[:-2], int.from_bytes(raw[-2:], "big"))


def has_data_and_le(command: bytes) -> bool:
    """Whether a short command carries data and asks for an answer (case 4, ISO/IEC 7816-3 12.1.3)."""
    return len(command) > 5 and len(command) == 6 + command[4]


def with_le(command: bytes, le: int) -> bytes:
    """The command asking for another length."""
    if len(command) == 5 or has_data_and_le(command):
        return command[:-1] + bytes((le,))
    return command + bytes((le,))
