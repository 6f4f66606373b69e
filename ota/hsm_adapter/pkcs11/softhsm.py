"""SoftHSM2: where its library is, and a folder of its own for tokens, which a file named in SOFTHSM2_CONF points to."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from ota.hsm_adapter.pkcs11.errors import TokenUnavailable

VARIABLE: Final = "SOFTHSM2_CONF"
CONFIGURATION: Final = "softhsm2.conf"
FOLDER: Final = "softhsm"

_PLACES: Final = (
    "usr/lib/softhsm/libsofthsm2.so",
    "usr/lib/*/softhsm/libsofthsm2.so",
    "usr/lib64/pkcs11/libsofthsm2.so",
    "usr/lib64/softhsm/libsofthsm2.so",
    "usr/local/lib/softhsm/libsofthsm2.so",
)


def find_softhsm(root: Path = Path("/")) -> Path:
    """The library where distributions put it; raises TokenUnavailable."""
    found = (path for place in _PLACES for path in sorted(root.glob(place)))
    library = next(found, None)
    if library is None:
        raise TokenUnavailable("SoftHSM2 is not installed (Debian: softhsm2)")
    return library


def is_softhsm(module: Path) -> bool:
    """Whether the library is SoftHSM's, by its name."""
    return "softhsm" in module.name.lower()


def make_folder(folder: Path) -> Path:
    """A folder for tokens, its owner's only, with its configuration, whose path is returned."""
    tokens = folder / "tokens"
    # A data folder of its own making is private too.
    folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    for each in (folder, tokens):
        each.mkdir(mode=0o700, exist_ok=True)
        each.chmod(0o700)
    configuration = folder / CONFIGURATION
    configuration.write_text(
        f"directories.tokendir = {tokens.absolute()}\nobjectstore.backend = file\nlog.level = ERROR\n",
        encoding="utf-8",
    )
    return configuration


def use_folder_of(data: Path) -> None:
    """Point this process to the tokens of a data folder, unless it was pointed somewhere or there are none."""
    configuration = data / FOLDER / CONFIGURATION
    if configuration.exists():
        os.environ.setdefault(VARIABLE, str(configuration.absolute()))


@contextmanager
def pointed_to(configuration: Path) -> Iterator[None]:
    """Point this process to a folder of tokens for a while."""
    before = os.environ.get(VARIABLE)
    os.environ[VARIABLE] = str(configuration)
    try:
        yield
    finally:
        if before is None:
            del os.environ[VARIABLE]
        else:
            os.environ[VARIABLE] = before
