from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path

import pytest

from ota.hsm_adapter.pkcs11 import Pkcs11Hsm, TokenPlace
from ota.hsm_adapter.pkcs11.administration import TokenKeys
from ota.hsm_adapter.pkcs11.initialise import make_token
from ota.hsm_adapter.pkcs11.provisioning import provision_token
from ota.hsm_adapter.ports import Exposure
from tests.hsm_adapter.pkcs11.holders import hsm_of, one_master
from tests.tokens import Token

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def place(pkcs11_token: Token, tmp_path_factory: pytest.TempPathFactory) -> TokenPlace:
    """An empty token; tests put published keys on it for the length of a session."""
    file = tmp_path_factory.mktemp("pin") / "pin"
    file.write_text(f"{pkcs11_token.user_pin}\n", encoding="utf-8")
    file.chmod(0o600)
    return made(TokenPlace(Path(pkcs11_token.module), "shared", file), pkcs11_token)


@pytest.fixture
def fresh(place: TokenPlace, pkcs11_token: Token) -> TokenPlace:
    """A token of this test's own."""
    return made(TokenPlace(place.module, f"fresh-{next(_numbers)}", place.pin_file), pkcs11_token)


@pytest.fixture
def provisioned(fresh: TokenPlace) -> TokenPlace:
    """A token of this test's own with the sandbox's published keys."""
    provision_token(TokenKeys(fresh, environment="sandbox"))
    return fresh


@pytest.fixture(scope="session")
def hsm(place: TokenPlace) -> Pkcs11Hsm:
    """The same master for every card role, on the token, with everything allowed."""
    return hsm_of(place, one_master())


@pytest.fixture(scope="session")
def strict(place: TokenPlace) -> Pkcs11Hsm:
    """The same, with nothing of a card key allowed outside."""
    return hsm_of(place, one_master(), maximum=Exposure.NONE)


@pytest.fixture
def write_pin(tmp_path: Path) -> Callable[[str], Path]:
    """Writes a PIN into a file of its owner's only."""

    def write(pin: str) -> Path:
        file = tmp_path / "pin"
        file.write_text(pin, encoding="utf-8")
        file.chmod(0o600)
        return file

    return write


def made(place: TokenPlace, pins: Token) -> TokenPlace:
    make_token(place.module, place.label, pins.so_pin, pins.user_pin)
    return place
