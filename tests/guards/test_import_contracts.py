"""Every import contract holds in the real code, and each was seen to fail on a planted violation."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.guards.import_house import ROOT, judge, lint

LAYERS = "A package imports only packages below its own line"
PURE = "Core and card know no framework, no database and no cipher"
NO_FLASK = "Only routes reach a web framework, directly or not"
ROUTES = "Routes are imported by the application only"
KEYS = "Ciphers and tokens are touched in the HSM adapter and the sandbox only"
SETTINGS = "Settings are read where objects are built; everyone else is handed values"
ELEMENT = "The virtual secure element shares no line with the product"

VIOLATIONS = [
    pytest.param("card/__init__.py", "import ota.registry", LAYERS, id="upwards"),
    pytest.param("topup/service.py", "import ota.issuance.service", LAYERS, id="sideways"),
    pytest.param("cli.py", "import ota.sandbox", LAYERS, id="the product uses its sandbox"),
    pytest.param("odds_and_ends.py", "", LAYERS, id="a module without a layer"),
    pytest.param("core/__init__.py", "import sqlalchemy", PURE, id="a database in core"),
    pytest.param("card/__init__.py", "import marshmallow", PURE, id="a framework in card"),
    pytest.param("topup/service.py", "import ota.web", NO_FLASK, id="flask behind another module"),
    pytest.param("store/__init__.py", "import flask", NO_FLASK, id="flask in the store"),
    pytest.param("topup/service.py", "import ota.topup.routes", ROUTES, id="a service uses routes"),
    pytest.param("topup/service.py", "import cryptography", KEYS, id="a cipher in a feature"),
    pytest.param("store/__init__.py", "import pkcs11", KEYS, id="a token in the store"),
    pytest.param("topup/service.py", "import ota.settings", SETTINGS, id="a feature reads settings"),
    pytest.param("sandbox/element/tlv.py", "import ota.card", ELEMENT, id="the element uses the product"),
    pytest.param(
        "sandbox/element/tlv.py", "import ota.sandbox.phone", ELEMENT, id="the element uses its phone"
    ),
]


def test_the_code_keeps_every_contract() -> None:
    verdict = lint(ROOT)

    assert not verdict.broken, verdict.text


def test_a_clean_house_keeps_every_contract(tmp_path: Path) -> None:
    verdict = judge(tmp_path, {})

    assert verdict.broken == ()


@pytest.mark.parametrize(("module", "line", "contract"), VIOLATIONS)
def test_a_planted_violation_breaks_its_contract(
    tmp_path: Path, module: str, line: str, contract: str
) -> None:
    verdict = judge(tmp_path, {module: f"{line}\n"})

    assert contract in verdict.broken
