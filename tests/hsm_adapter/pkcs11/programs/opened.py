"""What the programs begin with: the token named on the command line, with the sandbox's keys on it."""

from __future__ import annotations

import sys
from pathlib import Path

from ota.hsm_adapter.pkcs11 import Pkcs11Hsm, TokenPlace

ARGUMENTS = sys.argv[4:]


def opened() -> Pkcs11Hsm:
    module, label, pin_file = sys.argv[1:4]
    return Pkcs11Hsm.open(TokenPlace(Path(module), label, Path(pin_file)), environment="sandbox")


def say(*words: object) -> None:
    sys.stdout.write(" ".join(map(str, words)) + "\n")
    sys.stdout.flush()
