"""``ota-sandbox cardkeys``."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from tests.sandbox.cli.conftest import run, told


def published(role: str, algorithm: str) -> str:
    return hashlib.sha256(f"OTA SANDBOX TEST KEY {role} {algorithm}".encode()).hexdigest()[:32].upper()


@pytest.mark.parametrize(
    ("card_no", "issuer"),
    [
        ("3104870700000123456", "02775880"),
        ("3104870312345678906", "02205810"),
        ("3104870012345678906", "01135810"),
    ],
)
def test_masters_and_the_path_of_the_cards_city_are_told(card_no: str, issuer: str) -> None:
    code, view = told("cardkeys", "--card-no", card_no)

    factors = [f"{issuer}FFFFFFFF", card_no[-16:]]
    assert code == 0
    assert view == {
        name: {
            "load_master": published("load", algorithm),
            "tac_master": published("tac", algorithm),
            "factors": factors,
        }
        for name, algorithm in (("3des", "3DES"), ("sm4", "SM4"))
    }


def test_people_get_it_over_several_lines() -> None:
    result = run("cardkeys", "--card-no", "3104870700000123456")

    assert len(result.stdout.splitlines()) > 10
    assert json.loads(result.stdout)["3des"]


@pytest.mark.parametrize(
    ("card_no", "code"), [("3104100000000123456", "card_outside_province"), ("31048707", "invalid_value")]
)
def test_another_number_is_refused(card_no: str, code: str) -> None:
    exit_code, view = told("cardkeys", "--card-no", card_no)

    assert (exit_code, view["problem"]["code"]) == (1, code)


def test_a_folder_without_configuration_is_named(tmp_path: Path) -> None:
    result = run("cardkeys", "--card-no", "3104870700000123456", "--config", str(tmp_path))

    assert result.exit_code == 1
    assert "base.toml" in result.stderr
