"""A PKCS#11 library in this process: loaded once, initialised after a fork, started afresh when it has leaked enough."""

from __future__ import annotations

import atexit
import os
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

import pkcs11
from pkcs11.exceptions import PKCS11Error

from ota.core.errors import OtaError
from ota.hsm_adapter.pkcs11.errors import TokenUnavailable
from ota.hsm_adapter.pkcs11.thread import token_thread

if TYPE_CHECKING:
    from pathlib import Path

RECYCLE_AFTER: Final = 20_000
"""Session objects after which the library is started afresh: SoftHSM keeps some 245 bytes of each for ever."""

_PATIENCE_AT_EXIT_S: Final = 2.0


class Library:
    """One library. Only the token thread uses it.

    ``generation`` goes up with each start; handles of an earlier one mean nothing.
    """

    def __init__(self, module: str) -> None:
        self._module = module
        self._native: Any = None
        self._process = 0
        self.generation = 0
        self.objects = 0

    def ready(self) -> Any:
        """The initialised library; raises TokenUnavailable when there is none."""
        begun = self._process == os.getpid() and self._native is not None and self._native.initialized
        if not begun or self.objects >= RECYCLE_AFTER:
            self.restart()
        return self._native

    def restart(self) -> None:
        """End every session with its objects, free what the library leaked, and begin again."""
        self.objects = 0
        self._process = os.getpid()
        try:
            if self._native is None:
                self._native = pkcs11.lib(self._module)  # initialises it, unless somebody else did
            self.stop()
            self._native.initialize()
        except PKCS11Error as problem:
            why = str(problem) or type(problem).__name__
            raise TokenUnavailable(f"the module {self._module} cannot be used ({why})") from problem

    def stop(self) -> None:
        """Let the library go; in a child process it never was initialised, and says so."""
        self.generation += 1
        with suppress(PKCS11Error):
            self._native.finalize()


_libraries: dict[str, Library] = {}


def library(module: Path | str) -> Library:
    """The library of this path, the same for every token in it."""
    if not _libraries:
        atexit.register(_at_exit)
    return _libraries.setdefault(os.path.realpath(module), Library(str(module)))


def _at_exit() -> None:
    """Finalise on the token's thread: the interpreter's end would do it on another."""
    with suppress(OtaError):
        token_thread().run(_stop_all, _PATIENCE_AT_EXIT_S)


def _stop_all() -> None:
    for each in _libraries.values():
        if each.generation:  # it was loaded
            each.stop()
