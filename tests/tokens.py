"""A SoftHSM2 token that lives as long as one test process."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Token:
    """Where a PKCS#11 token is and how to log in."""

    module: str
    label: str
    so_pin: str
    user_pin: str


def make_token(module: str, folder: Path) -> Token:
    """Initialise a token in the folder and point this process to it.

    SoftHSM2 reads SOFTHSM2_CONF when the library is initialised, so this comes before anything loads it.
    """
    token = Token(module, "ota-test", "so-pin-1234", "user-pin-1234")
    tokens = folder / "tokens"
    tokens.mkdir()
    configuration = folder / "softhsm2.conf"
    configuration.write_text(f"directories.tokendir = {tokens}\nlog.level = ERROR\n", encoding="utf-8")
    os.environ["SOFTHSM2_CONF"] = str(configuration)
    command = ["softhsm2-util", "--init-token", "--free", "--module", module, "--label", token.label]
    pins = ["--so-pin", token.so_pin, "--pin", token.user_pin]
    subprocess.run([*command, *pins], check=True, capture_output=True)
    return token
