"""What a phone finds out about its secure element before it asks the platform for anything.

Every exchange is kept: handed over as ``precollected`` it saves the platform a round trip, and with the sequence
counter and the diversification data the platform can predict the card's challenge.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from ota.sandbox import tlv
from ota.sandbox.reader import Reader, Spoken

OUR_DOMAIN: Final = "D156000158534400"
_SCP_OID: Final = bytes.fromhex("2A864886FC6B04")
"""1.2.840.114283.4; the protocol and its option byte i follow (GP Card Spec 2.3.1 H.3)."""
_DEFAULT_KEY_VERSION: Final = {"02": "20", "03": "30"}
_MAX_PRECOLLECTED: Final = 64


class ElementUnknown(Exception):
    """The element does not tell what is needed; the message names the option that would."""


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the caller says about the element instead of asking it; None asks it."""

    se_id: str | None = None
    sd_aid: str = OUR_DOMAIN
    scp: str | None = None
    i: str | None = None
    key_version: str | None = None
    collect: bool = True
    """Whether to read what lets the platform predict the challenge."""


@dataclass(frozen=True, slots=True)
class SecureElement:
    """An element as a session's opening describes it."""

    se_id: str
    cplc: bytes | None
    sd_aid: str
    scp: str
    i: str
    key_version: str
    sequence: bytes | None
    precollected: tuple[Spoken, ...] = field(repr=False)

    def opening(self) -> dict[str, Any]:
        """The fields ``se``, ``caps`` and ``precollected``."""
        se = {
            "type": "eSE",
            "se_id": self.se_id,
            "sd_aid": self.sd_aid,
            "scp": self.scp,
            "i": self.i,
            "key_version": self.key_version,
        }
        if self.cplc is not None:
            se["cplc"] = self.cplc.hex().upper()
        if self.sequence is not None:
            se["sequence"] = self.sequence.hex().upper()
        return {"se": se, **card_opening(self.precollected)}


def card_opening(precollected: tuple[Spoken, ...] = ()) -> dict[str, Any]:
    """An opening without the element, for a card that is only loaded."""
    return {
        "caps": {
            "max_apdu": 255,
            "max_batch": 64,
            "stop_on_sw": True,
            "get_response": True,
            "idle_limit_ms": 15_000,
        },
        "precollected": [_collected(spoken) for spoken in precollected[:_MAX_PRECOLLECTED]],
    }


def read_cplc(reader: Reader) -> bytes | None:
    """The chip's production data, 42 bytes, from whatever is selected after a reset; None when there are none."""
    answer = reader.send("80CA9F7F00", "GET DATA CPLC")
    value = tlv.find(answer.data, 0x9F7F) if answer.ok else None
    return value if value is not None and len(value) >= _CPLC_CHIP.stop else None


def se_id_of(cplc: bytes) -> str:
    """The element's name: fabrication date, serial number and batch of its chip, in the form of its key data."""
    return "0000" + cplc[_CPLC_CHIP].hex().upper()


_CPLC_CHIP: Final = slice(10, 18)
"""IC fabrication date 2, serial number 4, batch 2: no other chip has the same (GP Card Spec, CPLC)."""


def discover(reader: Reader, wishes: Wishes | None = None) -> SecureElement:
    """Ask the element what a session's opening needs; raises ElementUnknown, CardGone."""
    wishes = wishes or Wishes()
    with reader.keeping() as kept:
        return _discover(reader, wishes, kept)


def _discover(reader: Reader, wishes: Wishes, kept: list[Spoken]) -> SecureElement:
    cplc = read_cplc(reader)
    se_id = wishes.se_id or (se_id_of(cplc) if cplc is not None else None)
    if se_id is None:
        raise ElementUnknown("the element tells no CPLC; say who it is with --se-id")
    fci = reader.send(f"00A40400{len(wishes.sd_aid) // 2:02X}{wishes.sd_aid}00", "SELECT the security domain")
    if not fci.ok:
        raise ElementUnknown(f"the security domain {wishes.sd_aid} was answered {fci.sw_hex}; try --sd-aid")
    scp, i = _protocol(reader, fci.data, wishes)
    key_version = wishes.key_version or _key_version(reader) or _DEFAULT_KEY_VERSION[scp]
    sequence = _sequence(reader) if wishes.collect else None
    if wishes.collect:
        reader.send("80CA00CF00", "GET DATA key diversification data")
    return SecureElement(se_id, cplc, wishes.sd_aid, scp, i, key_version, sequence, tuple(kept))


def _protocol(reader: Reader, fci: bytes, wishes: Wishes) -> tuple[str, str]:
    """Protocol and option byte: as wished, else from the card recognition data (GET DATA 0066, or in the FCI)."""
    if wishes.scp is not None and wishes.i is not None:
        return wishes.scp, wishes.i
    answer = reader.send("80CA006600", "GET DATA card recognition data")
    told = list(_protocols(answer.data if answer.ok else b"")) or list(_protocols(fci))
    fitting = [each for each in told if wishes.scp in (None, each[0])]
    if not fitting:
        raise ElementUnknown("the element does not tell its secure channel protocol; say --scp and --i")
    scp, i = fitting[0]
    return scp, wishes.i or i


def _protocols(data: bytes) -> Iterator[tuple[str, str]]:
    """Every protocol that is named anywhere inside the data."""
    start = data.find(_SCP_OID)
    while start >= 0:
        tail = data[start + len(_SCP_OID) :][:2]
        if len(tail) == 2 and tail[0] in (2, 3):
            yield f"{tail[0]:02X}", f"{tail[1]:02X}"
        start = data.find(_SCP_OID, start + 1)


def _key_version(reader: Reader) -> str | None:
    """The version of the first key that the domain names (GET DATA 00E0, GP Card Spec 2.3.1 11.3.3.1)."""
    answer = reader.send("80CA00E000", "GET DATA key information")
    template = tlv.find(answer.data, 0xE0) if answer.ok else None
    if template is None:
        return None
    versions = [value[1] for tag, value in tlv.objects(template) if tag == 0xC0 and len(value) >= 4]
    return f"{versions[0]:02X}" if versions else None


def _sequence(reader: Reader) -> bytes | None:
    """The counter of the next session, where the protocol computes the challenge from it (GET DATA 00C1)."""
    answer = reader.send("80CA00C100", "GET DATA sequence counter")
    value = tlv.find(answer.data, 0xC1) if answer.ok else None
    return value if value is not None and len(value) in (2, 3) else None


def _collected(spoken: Spoken) -> dict[str, str]:
    view = {"apdu": spoken.command.hex().upper(), "sw": spoken.answer.sw_hex}
    if spoken.answer.data:
        view["data"] = spoken.answer.data.hex().upper()
    return view
