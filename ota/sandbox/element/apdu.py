"""Command APDUs as the card sees them: short form only (ISO/IEC 7816-4 5.1)."""

from __future__ import annotations

from dataclasses import dataclass, field

from ota.sandbox.element.status import WRONG_LENGTH, require

MAC_BIT = 0x04
"""Class bit of GlobalPlatform's secure messaging and of the e-purse's command MAC."""


@dataclass(frozen=True, slots=True)
class Command:
    """One command. `le` is None when no answer is asked for; Le 00 is 256 (ISO/IEC 7816-4 5.1)."""

    cla: int
    ins: int
    p1: int
    p2: int
    data: bytes = field(default=b"", repr=False)  # may be a key or a PIN
    le: int | None = None

    @classmethod
    def parse(cls, raw: bytes) -> Command:
        """Read a command; a form that this card does not take, extended length too, is refused with 6700."""
        require(len(raw) >= 4, WRONG_LENGTH)
        cla, ins, p1, p2 = raw[:4]
        body = raw[4:]
        if not body:
            return cls(cla, ins, p1, p2)
        if len(body) == 1:
            return cls(cla, ins, p1, p2, le=body[0] or 256)
        lc = body[0]
        require(lc and len(body) in (1 + lc, 2 + lc), WRONG_LENGTH)
        le = (body[-1] or 256) if len(body) == 2 + lc else None
        return cls(cla, ins, p1, p2, body[1 : 1 + lc], le)

    @property
    def header(self) -> bytes:
        """CLA INS P1 P2."""
        return bytes((self.cla, self.ins, self.p1, self.p2))

    @property
    def reference(self) -> int:
        """P1 and P2 as one number."""
        return self.p1 << 8 | self.p2


def refuse_wrong_le(command: Command, length: int) -> None:
    """Answer 6Cxx when another length than the one there is was asked for; Le 00 and no Le take what comes."""
    require(command.le in (None, 256, length), 0x6C00 | length & 0xFF)
