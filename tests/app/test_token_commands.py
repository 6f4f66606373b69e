"""``ota keys token init`` and ``ota keys capabilities``, on real SoftHSM2 tokens."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from ota import wiring
from ota.card.keys import Algorithm
from ota.cli import main
from ota.hsm_adapter.pkcs11 import Pkcs11Hsm, softhsm
from ota.hsm_adapter.pkcs11.library import library
from ota.hsm_adapter.pkcs11.thread import token_thread
from ota.hsm_adapter.ports import Exposure, Operation
from ota.settings import SettingsError, load

OFFICER, USER = "officer-12345", "user-67890"

Run = Callable[..., Result]


@pytest.fixture
def run(pkcs11_module: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    """Runs `ota keys …` in an installation whose tokens are in its own data folder."""
    monkeypatch.setenv("OTA_HSM_PKCS11_MODULE", pkcs11_module)
    monkeypatch.delenv(softhsm.VARIABLE, raising=False)
    known = library(pkcs11_module)
    token_thread().run(known.restart, 20)

    def run_keys(*arguments: str, typed: str | None = None) -> Result:
        return CliRunner().invoke(main, ["keys", *arguments, "--data", str(tmp_path / "data")], input=typed)

    yield run_keys
    token_thread().run(known.stop, 20)  # it would go on with this test's tokens


@pytest.fixture
def pins(tmp_path: Path) -> list[str]:
    """Options that name files with both PINs."""
    return [
        *("--so-pin-file", str(private(tmp_path / "officer", OFFICER))),
        *("--pin-file", str(private(tmp_path / "user", USER))),
    ]


def test_a_token_is_made_with_the_sandboxs_keys_and_used_by_the_platform(
    run: Run, pins: list[str], tmp_path: Path
) -> None:
    made = run("token", "init", "--label", "city", "--test-keys", *pins)

    hsm = wiring.open_hsm(settings(tmp_path))
    assert made.exit_code == 0
    assert "made: token 'city'" in made.output
    assert "published test keys: 40" in made.output
    assert str(tmp_path / "data/softhsm/softhsm2.conf") in made.output
    assert isinstance(hsm, Pkcs11Hsm)
    assert hsm.health().detail.startswith("40 keys")


def test_pins_are_typed_unseen_where_no_file_is_named(run: Run) -> None:
    made = run("token", "init", typed=f"{OFFICER}\n{OFFICER}\n{USER}\n{USER}\n")

    assert made.exit_code == 0
    assert "made: token 'ota'" in made.output
    assert OFFICER not in made.output
    assert USER not in made.output


def test_a_token_that_exists_is_left_as_it_is(run: Run, pins: list[str]) -> None:
    run("token", "init", "--test-keys", *pins)

    again = run("token", "init", "--test-keys", *pins)

    assert again.exit_code == 1
    assert "exists already" in again.output


def test_a_pin_file_that_others_may_read_is_refused(run: Run, pins: list[str]) -> None:
    Path(pins[1]).chmod(0o644)

    refused = run("token", "init", *pins)

    assert refused.exit_code == 1
    assert "mode 0600 expected" in refused.output


def test_no_option_takes_a_pin() -> None:
    told = CliRunner().invoke(main, ["keys", "token", "init", "--help"]).output

    assert {word for word in told.split() if word.startswith("--") and "pin" in word} == {
        "--so-pin-file",
        "--pin-file",
    }


def test_published_keys_are_refused_in_production(
    run: Run, pins: list[str], production: list[str], tmp_path: Path
) -> None:
    refused = run("token", "init", "--test-keys", *pins, *production)

    assert refused.exit_code == 1
    assert "test keys" in refused.output
    assert not (tmp_path / "data" / "softhsm").exists()


def test_a_vendors_library_needs_no_folder_of_softhsm(run: Run, pins: list[str], tmp_path: Path) -> None:
    vendor = tmp_path / "libvendor.so"
    vendor.write_text("no library")

    refused = run("token", "init", "--module", str(vendor), *pins)

    assert refused.exit_code == 1
    assert "libvendor.so cannot be used" in refused.output
    assert not (tmp_path / "data" / "softhsm").exists()


def test_a_token_of_another_library_is_made_without_a_word_about_softhsm(
    run: Run, pins: list[str], pkcs11_module: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SoftHSM under another name stands for a vendor's library."""
    vendor = tmp_path / "libvendor.so"
    vendor.symlink_to(pkcs11_module)
    monkeypatch.setenv(softhsm.VARIABLE, str(softhsm.make_folder(tmp_path / "elsewhere")))

    made = run("token", "init", "--module", str(vendor), *pins)

    assert made.exit_code == 0, made.output
    assert softhsm.VARIABLE not in made.output


@pytest.mark.parametrize("backend", ["software", "pkcs11"])
def test_capabilities_are_listed_with_how_and_exposure(run: Run, backend: str) -> None:
    listed = capabilities(run, "--backend", backend)

    lines = {(line["operation"], line["algorithm"], line["under"]): line for line in listed["operations"]}
    load_line = lines["authorise_load", "3DES", None]
    assert listed["backend"] == backend
    assert load_line["works"] is load_line["allowed"] is True
    assert load_line["how"]
    assert load_line["exposure"] == ("NONE" if backend == "pkcs11" else "CARD_KEY")
    assert lines["verify_tac", "3DES", None]["exposure"] == "CARD_KEY"
    assert lines["authorise_load", "SM4", None]["works"] is (backend == "software")


def test_what_does_not_work_has_no_exposure(run: Run) -> None:
    listed = capabilities(run, "--backend", "pkcs11")

    idle = [line for line in listed["operations"] if not line["works"]]
    assert {line["algorithm"] for line in idle} == {"SM4"}
    assert {(line["exposure"], line["allowed"]) for line in idle} == {(None, False)}


def test_what_the_deployment_does_not_allow_is_told(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTA_HSM_MAXIMUM_EXPOSURE", "none")

    listed = capabilities(run, "--backend", "pkcs11")

    refused = {line["operation"] for line in listed["operations"] if line["works"] and not line["allowed"]}
    assert refused == {"verify_tac", "write_key", "export_card_key"}


def test_without_a_token_one_is_made_and_thrown_away(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OTA_HSM_PKCS11_MODULE")

    listed = capabilities(run, "--backend", "pkcs11")

    assert listed["token"].startswith("token 'throw-away'")
    assert softhsm.VARIABLE not in os.environ
    assert not (tmp_path / "data" / "softhsm").exists()


def test_the_configured_token_is_shown(
    run: Run, pins: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("token", "init", "--label", "mine", *pins)
    for name, value in (
        ("BACKEND", "pkcs11"),
        ("PKCS11_TOKEN", "mine"),
        ("PIN_FILE", str(tmp_path / "user")),
    ):
        monkeypatch.setenv(f"OTA_HSM_{name}", value)

    assert capabilities(run)["token"].startswith("token 'mine'")


def test_capabilities_are_also_a_table(run: Run) -> None:
    shown = run("capabilities", "--backend", "pkcs11")

    assert shown.exit_code == 0
    assert "authorise_load" in shown.output
    assert "CARD_KEY" in shown.output
    assert "throw-away" in shown.output


def test_a_token_that_is_not_named_whole_is_a_mistake_in_the_settings(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"hsm\.pkcs11_token"):
        wiring.token_place(load(environ={}, overrides={"data": str(tmp_path)}))


def test_the_settings_hand_over_exposure_and_a_vendors_numbers(tmp_path: Path) -> None:
    given = load(
        environ={},
        overrides={
            "data": str(tmp_path),
            "hsm.maximum_exposure": "half_card_key",
            "hsm.pkcs11_sm4_key_type": 0x80000011,
            "hsm.pkcs11_sm4_ecb_encrypt_data": 0x80001104,
            "hsm.pkcs11_sm4_cbc": 0x80001082,
        },
    )

    numbers = wiring.sm4_mechanisms(given)
    assert wiring.maximum_exposure(given) is Exposure.HALF_CARD_KEY
    assert numbers is not None
    assert numbers.cipher().block == Algorithm.SM4.block_length
    assert wiring.sm4_mechanisms(load(environ={}, overrides={"data": str(tmp_path)})) is None


def test_a_software_hsm_is_held_to_the_exposure_too(tmp_path: Path) -> None:
    hsm = wiring.open_hsm(
        load(environ={}, overrides={"data": str(tmp_path / "data"), "hsm.maximum_exposure": "none"})
    )

    assert hsm.capabilities().supports(Operation.AUTHORISE_LOAD, Algorithm.TDES)
    assert hsm.health().ok


@pytest.fixture
def production(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The options of a production whose settings are whole."""
    for name, value in (
        ("DATABASE_URL", "postgresql+psycopg://nobody@127.0.0.1/none"),
        ("REDIS_URL", "redis://127.0.0.1"),
        ("TOKENS_AUDIENCE", "https://ota.example"),
        ("SERVER_BEHIND_TLS_PROXY", "true"),
        ("SERVER_METRICS", "off"),
        ("HSM_PKCS11_TOKEN", "province"),
        ("HSM_PIN_FILE", "/nowhere.pin"),
    ):
        monkeypatch.setenv(f"OTA_{name}", value)
    return ["--environment", "production"]


def capabilities(run: Run, *arguments: str) -> dict[str, Any]:
    shown = run("capabilities", "--json", *arguments)
    assert shown.exit_code == 0, shown.output
    told: dict[str, Any] = json.loads(shown.output)
    return told


def settings(tmp_path: Path) -> Any:
    return load(
        environ={},
        overrides={
            "data": str(tmp_path / "data"),
            "environment": "sandbox",
            "hsm.backend": "pkcs11",
            "hsm.pkcs11_module": os.environ["OTA_HSM_PKCS11_MODULE"],
            "hsm.pkcs11_token": "city",
            "hsm.pin_file": str(tmp_path / "user"),
        },
    )


def private(file: Path, pin: str) -> Path:
    file.write_text(f"{pin}\n", encoding="utf-8")
    file.chmod(0o600)
    return file
