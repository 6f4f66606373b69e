"""Says which thread finalises the library when the interpreter ends."""

from __future__ import annotations

import threading
from unittest.mock import patch

from ota.hsm_adapter.pkcs11.library import Library
from tests.hsm_adapter.pkcs11.programs.opened import opened, say

real = Library.stop


def stop(library: Library) -> None:
    say("finalised by", threading.current_thread().name)
    real(library)


if __name__ == "__main__":
    opened()
    patch.object(Library, "stop", stop).start()
