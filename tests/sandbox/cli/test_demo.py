"""``ota-sandbox demo``: a platform of its own, a card, a load, and every tick earned."""

from __future__ import annotations

from contextlib import nullcontext
from importlib import import_module

import pytest

from ota.sandbox import demo as demonstration
from ota.sandbox.receipts import ReceiptWrong
from ota.sandbox.witness import NothingToWitness, Verdict
from tests.journeys.world import new_element
from tests.sandbox.cli.conftest import run, told

KEYS = [
    "city",
    "card_no",
    "applications",
    "balance_before_fen",
    "balance_after_fen",
    "exchanges_issue",
    "exchanges_topup",
    "mac1_ok",
    "tac_ok",
]


@pytest.mark.parametrize(
    ("city", "scp", "name", "iin"),
    [
        ("guangzhou", "03", "guangzhou", "31048703"),
        ("佛山", "02", "foshan", "31048707"),
        ("5840", "03", "shenzhen", "31048704"),
    ],
)
def test_the_demo_tells_its_figures_in_one_object(city: str, scp: str, name: str, iin: str) -> None:
    code, figures = told("demo", "--city", city, "--scp", scp)

    assert code == 0
    assert list(figures) == KEYS
    assert figures["city"] == name
    assert figures["card_no"].startswith(iin)
    assert sorted(figures["applications"]) == ["lingnantong", "t-union"]
    assert (figures["balance_before_fen"], figures["balance_after_fen"]) == (0, 5000)
    assert (figures["exchanges_issue"], figures["exchanges_topup"]) == (2, 2)
    assert (figures["mac1_ok"], figures["tac_ok"]) == (True, True)


@pytest.fixture
def no_new_platform(monkeypatch: pytest.MonkeyPatch, server: str) -> None:
    """Starting a platform takes seconds; what is looked at here does not depend on its being new."""
    module = import_module("ota.sandbox.cli.demo")  # the package's name of it is the command
    monkeypatch.setattr(module, "private_server", lambda _folder: nullcontext(server))


@pytest.mark.usefixtures("no_new_platform")
def test_people_see_every_command_and_every_check() -> None:
    result = run("demo")

    assert result.exit_code == 0
    figures = result.stdout.partition("✓ all is well\n")[2].splitlines()
    assert len(figures) == len(KEYS)
    assert [line for line in figures if line != line.rstrip()] == []
    for words in ("INITIALIZE UPDATE", "圈存初始化", "MAC1", "TAC", "6A88 not there", "✓ all is well"):
        assert words in result.stdout
    assert "✗" not in result.stdout


@pytest.mark.usefixtures("no_new_platform")
@pytest.mark.parametrize(
    ("verdict", "failed"),
    [
        (Verdict(mac1_ok=False, mac2_ok=True, tac_ok=True), "MAC1"),
        (Verdict(mac1_ok=True, mac2_ok=False, tac_ok=True), "MAC1"),
        (Verdict(mac1_ok=True, mac2_ok=True, tac_ok=False), "TAC"),
    ],
)
def test_a_value_that_does_not_hold_fails_the_demo(
    monkeypatch: pytest.MonkeyPatch, verdict: Verdict, failed: str
) -> None:
    monkeypatch.setattr(demonstration, "examine", lambda _spoken, _factors: verdict)

    code, view = told("demo")

    assert code == 1
    assert (view["ok"], view["problem"]["code"]) == (False, "demo_failed")
    assert failed in view["problem"]["detail"]


@pytest.mark.usefixtures("no_new_platform")
def test_a_load_that_nobody_saw_and_a_receipt_that_is_wrong_fail_the_demo(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def blind(*_: object) -> Verdict:
        raise NothingToWitness("no load")

    def forged(*_: object) -> dict[str, object]:
        raise ReceiptWrong("no key of the platform signed it")

    monkeypatch.setattr(demonstration, "examine", blind)
    monkeypatch.setattr(demonstration, "verify_receipt", forged)

    result = run("demo")

    assert result.exit_code == 1
    assert "receipt: no key of the platform signed it" in result.stdout
    assert "✗ TAC verified" in result.stdout


@pytest.mark.usefixtures("no_new_platform")
def test_a_card_that_cannot_be_made_fails_the_demo(monkeypatch: pytest.MonkeyPatch) -> None:
    element = new_element()
    element.faults.answer(0xE6, 0x6A84)
    monkeypatch.setattr(import_module("ota.sandbox.cli.demo"), "blank_element", lambda _options: element)

    code, view = told("demo")

    assert code == 1
    assert "no room left" in view["problem"]["detail"]


@pytest.mark.usefixtures("no_new_platform")
def test_a_city_that_is_none_is_told_with_those_that_are() -> None:
    code, view = told("demo", "--city", "beijing")

    assert code == 1
    assert "guangzhou" in view["problem"]["detail"]
