"""Cards that answer from a list, for tests of those who talk to cards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ota.sandbox.transport import CardGone


class ScriptedCard:
    """Answers each command with the next of its answers, in hex; remembers what it was sent."""

    def __init__(self, *answers: str) -> None:
        self._answers = list(answers)
        self.sent: list[str] = []
        self.resets = 0
        self.closed = False

    def transmit(self, apdu: bytes) -> bytes:
        self.sent.append(apdu.hex().upper())
        if self.closed or not self._answers:
            raise CardGone("se_unavailable", "nothing left to say")
        return bytes.fromhex(self._answers.pop(0))

    def reset(self) -> None:
        self.resets += 1

    def close(self) -> None:
        self.closed = True


class TalkativeCard(ScriptedCard):
    """Answers by the beginning of the command, the longest that fits; 6D00 to everything else."""

    def __init__(self, answers: Mapping[str, str]) -> None:
        super().__init__()
        self._by_beginning = dict(sorted(answers.items(), key=lambda each: -len(each[0])))

    def transmit(self, apdu: bytes) -> bytes:
        command = apdu.hex().upper()
        self.sent.append(command)
        found = (answer for start, answer in self._by_beginning.items() if command.startswith(start))
        return bytes.fromhex(next(found, "6D00"))


def begins(sent: Sequence[str], start: str) -> int:
    """How many commands begin so."""
    return sum(command.startswith(start) for command in sent)
