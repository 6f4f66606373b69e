"""``ota-sandbox terminal`` against a real server, with our card and with a strange one on a line."""

from __future__ import annotations

import json

import pytest

from tests.journeys.strange_card import StrangeCard
from tests.journeys.world import face_of, new_element
from tests.sandbox.cli.conftest import on_a_line, run, told


def strange(card_no: str, algorithm: str) -> StrangeCard:
    """A card personalised with what `ota-sandbox cardkeys` prints."""
    masters = json.loads(run("cardkeys", "--card-no", card_no, "--json").stdout)
    return StrangeCard(card_no, masters, algorithm=algorithm, contact=True)


@pytest.mark.parametrize(
    ("algorithm", "card_no"), [("3des", "3104870700000000101"), ("sm4", "3104870700000000102")]
)
def test_a_strange_card_is_loaded(server: str, algorithm: str, card_no: str) -> None:
    card = strange(card_no, algorithm)
    with on_a_line(card) as address:
        code, view = told(
            "terminal", "load", "--server", server, "--element", address, "--terminal-city", "shaoguan",
            "--amount-fen", "5000",
        )  # fmt: skip

    assert code == 0
    assert (view["ok"], view["state"], view["order_state"], view["card_no"]) == (
        True,
        "loaded",
        "loaded",
        card_no,
    )
    assert (view["balance_before_fen"], view["balance_after_fen"], card.balance) == (0, 5000, 5000)


@pytest.mark.parametrize("accident", ["--lose-report", "--drop-before-credit"])
def test_another_terminal_resumes(server: str, accident: str) -> None:
    element = new_element()
    with on_a_line(element) as address:
        where = ["--server", server, "--element", address]
        told("phone", "issue", *where, "--city", "zhaoqing")
        gone = told("terminal", "load", *where, "--terminal-city", "foshan", "--amount-fen", "300", accident)
        resumed = told("terminal", "resume", *where, "--terminal-city", "zhuhai")
        again = told("terminal", "resume", *where, "--terminal-city", "zhuhai")

    assert (gone[0], gone[1]["state"]) == (1, "vanished")
    assert (resumed[0], resumed[1]["state"], resumed[1]["amount_fen"]) == (0, "loaded", 300)
    assert (again[0], again[1]["state"]) == (0, "nothing_to_resume")
    assert face_of(element).balance_fen == 300


def test_people_are_told_in_words(server: str) -> None:
    with on_a_line(strange("3104870700000000103", "3des")) as address:
        result = run(
            "terminal", "load", "--server", server, "--element", address, "--terminal-city", "foshan",
            "--amount-fen", "5000", "--transcript",
        )  # fmt: skip

    assert result.exit_code == 0
    assert "INITIALIZE FOR LOAD of 50.00 yuan" in result.stdout
    assert "5000 (50.00 yuan)" in result.stdout


@pytest.mark.parametrize(
    ("options", "code"),
    [
        (["--terminal-city", "atlantis"], "invalid_client"),
        (["--key-index", "09"], "card_refused"),
        (["--aid", "A0000000FF"], "card_not_readable"),
    ],
)
def test_what_does_not_fit_is_told_by_its_code(server: str, options: list[str], code: str) -> None:
    with on_a_line(strange("3104870700000000104", "3des")) as address:
        exit_code, view = told(
            "terminal", "load", "--server", server, "--element", address, "--amount-fen", "5000", *options
        )

    assert (exit_code, view["problem"]["code"]) == (1, code)
