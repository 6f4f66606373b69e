"""What happened, line by line, and its fingerprint: the same seed must give the same one."""

from __future__ import annotations

import hashlib

from ota.sandbox.simulation.schedule import VirtualClock


class Trace:
    """The lines of one run. ``keep`` False keeps the fingerprint only."""

    def __init__(self, clock: VirtualClock, *, keep: bool = True) -> None:
        self._clock = clock
        self._digest = hashlib.sha256()
        self._keep = keep
        self.lines: list[str] = []

    def note(self, who: str, what: str) -> None:
        """Add a line with the virtual time in seconds."""
        line = f"{self._clock.elapsed_s:10.3f}  {who:<14} {what}"
        self._digest.update(line.encode() + b"\n")
        if self._keep:
            self.lines.append(line)

    @property
    def hash(self) -> str:
        """SHA-256 over all lines, in hex."""
        return self._digest.hexdigest()
