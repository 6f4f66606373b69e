"""What a security domain tells about itself: GET STATUS, its sequence counter, its keys."""

from __future__ import annotations

from dataclasses import dataclass

from ota.card import tlv
from ota.card.problems import MalformedAnswer


@dataclass(frozen=True, slots=True)
class RegistryEntry:
    """One application, load file or security domain in the card's registry (GP 2.3.1, 11.4.3.1)."""

    aid: bytes
    life_cycle: int
    privileges: bytes


@dataclass(frozen=True, slots=True)
class KeyInformation:
    """One key of a security domain as the key information template lists it (GP 2.3.1, 11.3.3.1)."""

    key_id: int
    version: int
    key_type: int
    length: int


def parse_status(data: bytes) -> tuple[RegistryEntry, ...]:
    """Read the E3 templates of GET STATUS in TLV form; raises MalformedAnswer."""
    return tuple(_entry(element) for element in tlv.parse(data))


def parse_sequence_counter(data: bytes) -> bytes:
    """The 2 (SCP02) or 3 bytes (SCP03) behind GET DATA C1; raises MalformedAnswer."""
    counter = tlv.find(tlv.parse(data), 0xC1)
    if counter is None or len(counter.value) not in (2, 3):
        raise MalformedAnswer("sequence counter", "C1 with 2 or 3 bytes")
    return counter.value


def parse_key_information(data: bytes) -> tuple[KeyInformation, ...]:
    """Read the key information template E0; raises MalformedAnswer."""
    template = tlv.find(tlv.parse(data), 0xE0)
    if template is None or any(len(item.value) < 4 for item in template.children):
        raise MalformedAnswer("key information template", "E0 with elements C0 of at least 4 bytes")
    return tuple(KeyInformation(*item.value[:4]) for item in template.children)


def _entry(element: tlv.Tlv) -> RegistryEntry:
    aid, state = element.find(0x4F), element.find(0x9F70)
    if element.tag != 0xE3 or aid is None or state is None or not state.value:
        raise MalformedAnswer("answer to GET STATUS", "templates E3 with 4F and 9F70")
    privileges = element.find(0xC5)
    return RegistryEntry(aid.value, state.value[0], privileges.value if privileges else b"")
