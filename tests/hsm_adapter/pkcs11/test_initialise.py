from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

import pytest
from pkcs11 import TokenFlag
from pkcs11.exceptions import FunctionFailed

from ota.card.keys import KeyRole
from ota.core.errors import InvalidValue
from ota.hsm_adapter.pkcs11 import Pkcs11Hsm, TokenPlace, initialise, softhsm
from ota.hsm_adapter.pkcs11.administration import TokenKeys
from ota.hsm_adapter.pkcs11.errors import TokenExists, TokenUnavailable
from ota.hsm_adapter.pkcs11.initialise import make_token, throw_away_token
from ota.hsm_adapter.pkcs11.library import library
from ota.hsm_adapter.pkcs11.provisioning import provision_token
from ota.hsm_adapter.pkcs11.thread import token_thread
from tests.hsm_adapter.keyring import a_load, card_key, expected_mac2
from tests.hsm_adapter.pkcs11.holders import hsm_of, one_master


def test_a_thrown_away_token_works_and_leaves_nothing(place: TokenPlace) -> None:
    before, load = os.environ[softhsm.VARIABLE], a_load()

    with throw_away_token(place.module) as shown:
        folder = Path(os.environ[softhsm.VARIABLE]).parent
        mac2 = hsm_of(shown, one_master()).authorise_load(card_key(KeyRole.LOAD), load)
        provision_token(TokenKeys(shown, environment="sandbox"))
        health = Pkcs11Hsm.open(shown, environment="sandbox").health()

    assert mac2 == expected_mac2(card_key(KeyRole.LOAD).ref.algorithm, load)
    assert health.detail.startswith("40 keys")
    assert not folder.exists()
    assert os.environ[softhsm.VARIABLE] == before
    assert hsm_of(place, one_master()).authorise_load(card_key(KeyRole.LOAD), load) == mac2


def test_its_library_is_found(tmp_path: Path) -> None:
    library = tmp_path / "usr/lib/riscv64-linux-gnu/softhsm/libsofthsm2.so"
    with pytest.raises(TokenUnavailable, match="Debian: softhsm2"):
        softhsm.find_softhsm(tmp_path)
    library.parent.mkdir(parents=True)
    library.touch()

    assert softhsm.find_softhsm(tmp_path) == library
    assert softhsm.is_softhsm(library)
    assert not softhsm.is_softhsm(Path("/opt/vendor/libCryptoki2.so"))


def test_a_thrown_away_token_is_softhsms_unless_told(place: TokenPlace) -> None:
    with throw_away_token() as shown:
        assert shown.module.name == place.module.name


def test_the_folder_of_tokens_is_its_owners_only(tmp_path: Path) -> None:
    configuration = softhsm.make_folder(tmp_path / "data" / "softhsm")

    folders = (configuration.parent.parent, configuration.parent, configuration.parent / "tokens")
    assert {stat.S_IMODE(folder.stat().st_mode) for folder in folders} == {0o700}
    assert f"directories.tokendir = {folders[-1]}" in configuration.read_text()


def test_a_process_is_pointed_to_the_tokens_of_its_data_folder_unless_it_was_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(softhsm.VARIABLE, raising=False)
    softhsm.use_folder_of(tmp_path)
    assert softhsm.VARIABLE not in os.environ

    configuration = softhsm.make_folder(tmp_path / softhsm.FOLDER)
    softhsm.use_folder_of(tmp_path)
    assert os.environ[softhsm.VARIABLE] == str(configuration)

    monkeypatch.setenv(softhsm.VARIABLE, "/told")
    softhsm.use_folder_of(tmp_path)
    assert os.environ[softhsm.VARIABLE] == "/told"


def test_pointing_somewhere_for_a_while_ends(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv(softhsm.VARIABLE, raising=False)

    with softhsm.pointed_to(tmp_path):
        assert os.environ[softhsm.VARIABLE] == str(tmp_path)

    assert softhsm.VARIABLE not in os.environ


@pytest.mark.parametrize(
    ("label", "so_pin", "user_pin", "named"),
    [
        ("", "12345678", "87654321", "label"),
        ("x" * 33, "12345678", "87654321", "label"),
        ("岭" * 11, "12345678", "87654321", "label"),
        (" ota", "12345678", "87654321", "label"),
        ("ota", "123", "87654321", "PIN"),
        ("ota", "12345678", "", "PIN"),
        ("ota", "12345678", "12345678", "PIN"),
    ],
)
def test_what_makes_no_token_is_refused_before_the_library_is_asked(
    label: str, so_pin: str, user_pin: str, named: str
) -> None:
    with pytest.raises(InvalidValue, match=named):
        make_token(Path("/nowhere"), label, so_pin, user_pin)


def test_a_token_of_this_label_is_left_as_it_is(provisioned: TokenPlace) -> None:
    with pytest.raises(TokenExists):
        make_token(provisioned.module, provisioned.label, "another-1", "another-2")

    assert Pkcs11Hsm.open(provisioned, environment="sandbox").health().detail.startswith("40 keys")


def test_what_c_init_token_says_is_told(place: TokenPlace) -> None:
    token_thread().run(library(place.module).restart, 5)

    with pytest.raises(TokenUnavailable, match="C_InitToken failed with 0x3"):
        initialise._init_token(place.module, 0xFFFF, b"12345678", b"ota")


def test_a_library_without_a_free_slot_is_told() -> None:
    class Taken:
        flags = TokenFlag.TOKEN_INITIALIZED

    class Slot:
        slot_id = 1

        def get_token(self) -> Taken:
            return Taken()

    class Full:
        def get_token(self, token_label: str) -> None:
            from pkcs11.exceptions import NoSuchToken

            raise NoSuchToken(token_label)

        def get_slots(self, *, token_present: bool) -> list[Slot]:
            return [Slot()] * token_present

    with pytest.raises(TokenUnavailable, match="no slot is free"):
        initialise._free_slot(Full(), "ota")


def test_a_fault_of_the_library_is_told(place: TokenPlace, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: Any) -> None:
        raise FunctionFailed

    monkeypatch.setattr(initialise, "_free_slot", fails)

    with pytest.raises(TokenUnavailable, match="no token could be made"):
        make_token(place.module, "never", "12345678", "87654321")
