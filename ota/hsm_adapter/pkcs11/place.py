"""Where a token is and how to log in: the library, the token's label, the PIN."""

from __future__ import annotations

import stat
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from ota.hsm_adapter.pkcs11.errors import PinUnreadable

_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO


@dataclass(frozen=True, slots=True)
class TokenPlace:
    """One token. The user's PIN is asked for when a session is opened, of a file or of whoever typed it; none is kept."""

    module: Path
    label: str
    pin_file: Path | None = None
    typed_pin: Callable[[], str] | None = field(default=None, repr=False)

    def __str__(self) -> str:
        return f"token {self.label!r} of {self.module}"

    def pin(self) -> str:
        """The user's PIN; raises PinUnreadable."""
        if self.typed_pin is not None:
            return self.typed_pin()
        if self.pin_file is None:
            raise PinUnreadable("no file is named for it")
        return read_pin(self.pin_file)


def read_pin(file: Path) -> str:
    """The first line of a file that only its owner may read; raises PinUnreadable."""
    try:
        mode, content = file.stat().st_mode, file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as problem:
        raise PinUnreadable(f"{file}: {type(problem).__name__}") from None
    if mode & _OTHERS:
        raise PinUnreadable(f"{file} may be read by others than its owner (mode 0600 expected)")
    pin = content.partition("\n")[0].strip()
    if not pin:
        raise PinUnreadable(f"{file} is empty")
    return pin
