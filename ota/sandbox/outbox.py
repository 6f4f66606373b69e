"""What a phone must not forget: its session, and the last report until the platform has acknowledged it."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Pending:
    """A session under way. ``report`` waits to be acknowledged; None: the next batch has not been run to its end."""

    order_id: str
    session_id: str
    token: str
    report: Mapping[str, Any] | None = None


class Outbox:
    """One slot, in memory or in a file of the phone's own; a file outlives the app."""

    def __init__(self, file: Path | None = None) -> None:
        self._file = file
        self._pending = _read(file)

    @property
    def pending(self) -> Pending | None:
        """What an earlier run left unfinished."""
        return self._pending

    def keep(self, pending: Pending) -> None:
        """Remember, durably before this returns when there is a file."""
        self._pending = pending
        if self._file is not None:
            _write(self._file, json.dumps(asdict(pending)))

    def clear(self) -> None:
        """The session has ended."""
        self._pending = None
        if self._file is not None:
            self._file.unlink(missing_ok=True)


def _read(file: Path | None) -> Pending | None:
    if file is None or not file.exists():
        return None
    try:
        return Pending(**json.loads(file.read_text(encoding="utf-8")))
    except (TypeError, ValueError) as error:
        raise ValueError(f"{file}: expected a state file that this program wrote") from error


def _write(file: Path, text: str) -> None:
    """Replace the file as a whole: a crash leaves the old content or the new one. It holds a token."""
    part = file.with_name(f"{file.name}.part")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
    part.replace(file)
