from __future__ import annotations

import ast
from pathlib import Path

import pytest

import ota.sandbox.element
from ota.sandbox.element import Options
from ota.sandbox.element.factory import make_element
from tests.sandbox.element.cards import make, masters
from tests.sandbox.element.host import open_channel


def test_a_seed_makes_the_same_element_again() -> None:
    first, second = make(seed="same"), make(seed="same")

    assert first.se_id == second.se_id
    assert first.security_domains == second.security_domains
    assert first.transmit(bytes.fromhex("8050000008" + "00" * 8)) == second.transmit(
        bytes.fromhex("8050000008" + "00" * 8)
    )


def test_without_a_seed_every_element_is_another() -> None:
    elements = [make(seed=None, i=0x60) for _ in range(3)]

    assert len({element.se_id for element in elements}) == 3
    assert all(open_channel(element, element.security_domains[1]) for element in elements)


@pytest.mark.parametrize(("scp", "i"), [("02", 0x70), ("03", 0x15), ("01", 0x05)])
def test_options_that_no_card_has_are_refused(scp: str, i: int) -> None:
    with pytest.raises(ValueError, match=f"no card speaks SCP{scp} i={i:02X}"):
        Options(scp=scp, i=i)


@pytest.mark.parametrize(("made_for", "options"), [("02", Options()), ("03", Options(scp="02", i=0x15))])
def test_masters_of_another_protocol_are_refused(made_for: str, options: Options) -> None:
    with pytest.raises(ValueError, match="does not fit"):
        make_element(masters(made_for), options)


def test_keys_show_in_no_repr() -> None:
    element = make()

    shown = repr(element.security_domains) + repr(element.options)

    assert repr(element.security_domains[1].keys) == "KeySet(version=48)"
    assert all(repr(key) not in shown for key in element.security_domains[1].keys.triple)
    assert repr(element.options.pin) not in shown


def test_the_element_imports_nothing_of_the_product() -> None:
    folder = Path(ota.sandbox.element.__file__).parent
    imported = {
        name
        for file in folder.glob("**/*.py")
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        for name in (
            [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else []
        )
    }

    ours = {name for name in imported if name.split(".")[0] == "ota"}

    assert ours
    assert all(name.startswith("ota.sandbox.element") for name in ours)
