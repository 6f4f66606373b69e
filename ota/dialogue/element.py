"""What a phone says its secure element is and can do, checked once at the edge."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Self

from ota.card.apdu import Command, Response, from_hex
from ota.card.status import StatusWord

MIN_APDU: Final = 128
MAX_APDU: Final = 255
"""Bytes of data in one command; the channels of phones carry short commands only."""

MIN_BATCH: Final = 16
"""Commands in one batch: a card is read back and proven in one."""


@dataclass(frozen=True, slots=True)
class ElementInfo:
    """The secure element and the security domain in it through which it is reached.

    ``key_version`` and ``scp``/``i`` say which key set the domain answers with; ``sequence`` is the sequence
    counter that the wallet read beforehand (None: unknown), which lets the card's challenge be predicted.
    """

    type: str
    se_id: str
    sd_aid: bytes
    scp: str
    i: int
    key_version: int
    sequence: bytes | None = None
    cplc: bytes | None = None

    def to_json(self) -> dict[str, object]:
        """The form in which a session keeps it."""
        return {
            "type": self.type,
            "se_id": self.se_id,
            "sd_aid": self.sd_aid.hex(),
            "scp": self.scp,
            "i": self.i,
            "key_version": self.key_version,
            "sequence": self.sequence.hex() if self.sequence is not None else None,
            "cplc": self.cplc.hex() if self.cplc is not None else None,
        }

    @classmethod
    def from_json(cls, kept: Mapping[str, object]) -> Self:
        """Read back what ``to_json`` wrote."""
        sequence, cplc = kept["sequence"], kept["cplc"]
        return cls(
            type=str(kept["type"]),
            se_id=str(kept["se_id"]),
            sd_aid=bytes.fromhex(str(kept["sd_aid"])),
            scp=str(kept["scp"]),
            i=int(str(kept["i"])),
            key_version=int(str(kept["key_version"])),
            sequence=bytes.fromhex(str(sequence)) if sequence is not None else None,
            cplc=bytes.fromhex(str(cplc)) if cplc is not None else None,
        )


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What the phone's channel to the element can do. Times in milliseconds, lengths in bytes."""

    max_apdu: int = MAX_APDU
    max_batch: int = 64
    idle_limit_ms: int = 15_000

    def to_json(self) -> dict[str, object]:
        """The form in which a session keeps it."""
        return {"max_apdu": self.max_apdu, "max_batch": self.max_batch, "idle_limit_ms": self.idle_limit_ms}

    @classmethod
    def from_json(cls, kept: Mapping[str, object]) -> Self:
        """Read back what ``to_json`` wrote."""
        return cls(**{name: int(str(value)) for name, value in kept.items()})


@dataclass(frozen=True, slots=True)
class Collected:
    """One exchange that the wallet had with the card before it asked: never evidence, only saved time."""

    command: bytes
    response: Response

    @classmethod
    def from_hex(cls, apdu: str, sw: str, data: str) -> Self:
        """Read the three hex fields; raises InvalidValue."""
        Command.parse(command := from_hex("precollected.apdu", apdu))
        return cls(command, Response(from_hex("precollected.data", data), StatusWord.from_hex(sw)))


@dataclass(frozen=True, slots=True)
class Opening:
    """Everything that a caller says when it opens a session."""

    element: ElementInfo | None
    caps: Capabilities
    precollected: tuple[Collected, ...] = ()

    def collected(self, command: bytes) -> Response | None:
        """The answer that the wallet already has to this command, or None. Le is not compared."""
        wanted = _without_le(command)
        return next(
            (known.response for known in self.precollected if _without_le(known.command) == wanted), None
        )

    def to_json(self) -> dict[str, object]:
        """The form in which a session keeps it; what was collected beforehand is used once and not kept."""
        return {
            "element": self.element.to_json() if self.element is not None else None,
            "caps": self.caps.to_json(),
        }

    @classmethod
    def from_json(cls, kept: Mapping[str, Mapping[str, object] | None]) -> Self:
        """Read back what ``to_json`` wrote."""
        element = kept["element"]
        return cls(
            ElementInfo.from_json(element) if element is not None else None,
            Capabilities.from_json(kept["caps"] or {}),
        )


def _without_le(raw: bytes) -> bytes:
    return Command.parse(raw).with_le(None).encode()


def collect(entries: Iterable[tuple[str, str, str]]) -> tuple[Collected, ...]:
    """Read the ``precollected`` list of a request; raises InvalidValue."""
    return tuple(Collected.from_hex(apdu, sw, data) for apdu, sw, data in entries)
