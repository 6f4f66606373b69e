"""Says which thread finalises the library when the interpreter ends."""

from __future__ import annotations

import threading
from unittest.mock import patch

from ota.hsm_adapter.pkcs11.library import Library, library
from tests.hsm_adapter.pkcs11.programs.opened import opened, say

real = Library.stop


def stop(one: Library) -> None:
    say("finalised by", threading.current_thread().name)
    real(one)


if __name__ == "__main__":
    opened()
    library("/nowhere/never-loaded.so")
    patch.object(Library, "stop", stop).start()
