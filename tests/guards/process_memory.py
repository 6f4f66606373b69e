"""Looks for bytes in the memory of running processes, as somebody with a debugger would."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

WORD = 8
_CHUNK = 4 * 1024 * 1024
_PAGE = bytes(4096)


def family(pid: int) -> list[int]:
    """A process and all that it started, and what those started."""
    children = [
        int(child)
        for task in Path(f"/proc/{pid}/task").iterdir()
        for child in (task / "children").read_text().split()
    ]
    return [pid, *(member for child in children for member in family(child))]


def found_in_memory(pid: int, needles: Iterable[tuple[str, bytes]]) -> list[str]:
    """The names of the needles, 8 bytes each, that stand in what the process may write to: heap, stacks, everything.

    Memory is looked at as numbers of 8 bytes, once from each offset, so that many needles cost no more than one.
    """
    names = {int.from_bytes(needle, "little"): name for name, needle in needles}
    sought = frozenset(names)
    found: set[int] = set()
    for region in _writable(pid):
        for offset in range(WORD):
            end = len(region) - (len(region) - offset) % WORD
            found |= sought.intersection(memoryview(region)[offset:end].cast("Q"))
    return sorted(names[number] for number in found)


def _writable(pid: int) -> Iterator[bytes]:
    with Path(f"/proc/{pid}/mem").open("rb", buffering=0) as memory:
        for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
            place, rights, *_ = line.split()
            if rights.startswith("rw"):
                start, end = (int(part, 16) for part in place.split("-"))
                yield from _read(memory, start, end)


def _read(memory: BinaryIO, start: int, end: int) -> Iterator[bytes]:
    """A region without its empty pages, in pieces that overlap by a word."""
    for at in range(start, end, _CHUNK):
        with suppress(OSError):  # gone since the map was read
            memory.seek(at)
            piece = memory.read(min(end, at + _CHUNK + WORD) - at) or b""
            yield b"".join(
                page for n in range(0, len(piece), len(_PAGE)) if (page := piece[n : n + len(_PAGE)]) != _PAGE
            )
