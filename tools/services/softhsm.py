"""SoftHSM2, the PKCS#11 token of the tests: found on the system, installed through apt when root."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

VARIABLE = "OTA_TEST_PKCS11_MODULE"
INSTALL = ("apt-get", "install", "-y", "--no-install-recommends", "softhsm2")
ADVICE = (
    f"SoftHSM2 is missing; tests of the PKCS#11 backend need it. Install it with: sudo {' '.join(INSTALL)}"
)
PLACES = (
    "/usr/lib/softhsm/libsofthsm2.so",
    "/usr/lib/*/softhsm/libsofthsm2.so",
    "/usr/lib64/pkcs11/libsofthsm2.so",
    "/usr/lib64/softhsm/libsofthsm2.so",
    "/usr/local/lib/softhsm/libsofthsm2.so",
)


def find() -> Path | None:
    """Find the library where distributions put it, or where OTA_TEST_PKCS11_MODULE says."""
    named = os.environ.get(VARIABLE)
    if named:
        return Path(named)
    root = Path("/")
    found = (path for place in PLACES for path in sorted(root.glob(place.lstrip("/"))))
    return next(found, None)


def provide() -> Path | None:
    """Find the library, installing it where this process may; None where it cannot be had."""
    return find() or (find() if _install() else None)


def _install() -> bool:
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        return False
    print("Installing SoftHSM2 with apt-get", flush=True)
    # The package list of a fresh machine is empty or old: refresh it only when the first try fails.
    return _apt(*INSTALL) or (_apt("apt-get", "update") and _apt(*INSTALL))


def _apt(*command: str) -> bool:
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    done = subprocess.run(
        command, env=environment, capture_output=True, stdin=subprocess.DEVNULL, check=False
    )
    return done.returncode == 0
