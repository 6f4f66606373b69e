"""A terminal's steps; whole loads are in tests/journeys."""

from __future__ import annotations

import json
from typing import Any

import jwt
import pytest

from ota.sandbox import credentials
from ota.sandbox.api import Api, Refused
from ota.sandbox.caller import Caller
from ota.sandbox.reader import Reader
from ota.sandbox.terminal import CardRefused, Terminal
from ota.sandbox.transport import CardGone
from tests.sandbox.cards import ScriptedCard
from tests.sandbox.connections import ScriptedConnection

NUMBER = "588000000001"
CARD = "3104870700000123456"
EF15 = f"02775880FFFFFFFF02010{CARD}20200101203012310000"
FACE = [f"6F318408A000000632010105A5259F0801029F0C1E{EF15}9000", "000000649000"]
INIT = "00000064" + "0007" + "0104" + "CDEF4F20" + "06B1BEF5" + "9000"
CREDIT = "805200000B202611230905534664D6CD04"
PROBE = {
    "nonce": "n1",
    "commands": [
        {"i": 1, "apdu": "00A4040008A00000063201010500", "expect": "9000", "note": ""},
        {"i": 2, "apdu": "805A000202000708", "expect": "....", "note": ""},
    ],
}


def token() -> tuple[int, Any]:
    claims = {"terminal_no": NUMBER}
    return 200, {"access_token": jwt.encode(claims, "k" * 32, "HS256"), "expires_in": 900}


def move(state: str, **more: Any) -> tuple[int, Any]:
    good = {"load_id": "top_1", "amount_fen": 5000, "order_state": "loading", "money": "with_platform"}
    return 200, good | {"state": state} | more


def terminal(card: ScriptedCard, *answers: Any) -> tuple[Terminal, ScriptedConnection]:
    connection = ScriptedConnection(token(), *answers)
    return Terminal(Reader(card), Caller(Api(connection), credentials.terminal("foshan"))), connection


def sent(connection: ScriptedConnection) -> list[tuple[str, dict[str, Any]]]:
    return [(path, json.loads(body or b"{}")) for _, path, _, body in connection.requests[1:]]


def test_a_load_is_initialised_with_the_terminals_own_number_and_reported() -> None:
    card = ScriptedCard(*FACE, INIT, "A8ACDF4E9000", "000013EC9000", "000013EC9000")
    made, connection = terminal(card, move("authorised", apdu=CREDIT), move("loaded", receipt="r"))

    loaded = made.load(5000)

    (path, asked), (result_path, result) = sent(connection)
    assert card.sent[2:4] == [f"805000020B0100001388{NUMBER}10", CREDIT]
    assert path == "/v1/terminals/loads"
    assert (asked["terminal_no"], asked["card_no"], asked["ef15"]) == (NUMBER, CARD, EF15)
    assert asked["init"] == {
        "balance": 100,
        "online_atc": 7,
        "key_version": 1,
        "algorithm": 4,
        "random": "CDEF4F20",
        "mac1": "06B1BEF5",
    }
    assert (result_path, result) == (
        "/v1/terminals/loads/top_1/result",
        {"sw": "9000", "tac": "A8ACDF4E", "balance": 5100},
    )
    assert (loaded.ok, loaded.balance_before_fen, loaded.balance_after_fen, loaded.exchanges) == (
        True,
        100,
        5100,
        2,
    )


def test_a_refused_credit_is_reported_without_a_tac() -> None:
    card = ScriptedCard(*FACE, INIT, "9302", "000000649000")
    made, connection = terminal(card, move("authorised", apdu=CREDIT), move("stopped", problem={"code": "x"}))

    loaded = made.load(5000)

    assert sent(connection)[1][1] == {"sw": "9302", "tac": None, "balance": None}
    assert (loaded.ok, loaded.to_json()["problem"]) == (False, {"code": "x"})


def test_a_question_is_put_to_the_card_and_its_answers_handed_in() -> None:
    card = ScriptedCard(*FACE, INIT, "9000", "9406", "000000649000")
    made, connection = terminal(card, move("probe", probe=PROBE), move("loaded"))

    loaded = made.load(5000)

    assert sent(connection)[1] == (
        "/v1/terminals/loads/top_1/probe",
        {"nonce": "n1", "results": [{"i": 1, "sw": "9000"}, {"i": 2, "sw": "9406"}]},
    )
    assert loaded.ok


def test_a_card_that_leaves_while_it_is_asked_is_gone() -> None:
    made, _ = terminal(ScriptedCard(*FACE, INIT, "9000"), move("probe", probe=PROBE))

    with pytest.raises(CardGone):
        made.load(5000)


def test_a_balance_that_cannot_be_read_any_more_is_unknown() -> None:
    made, _ = terminal(ScriptedCard(*FACE, INIT), move("loaded"))

    assert made.load(5000).balance_after_fen is None


def test_a_platform_that_keeps_asking_is_left_alone() -> None:
    card = ScriptedCard(*FACE, INIT, *["9000"] * 40)
    made, connection = terminal(card, *[move("probe", probe=PROBE)] * 20)

    loaded = made.load(5000)

    assert not loaded.ok
    assert len(sent(connection)) == 9


@pytest.mark.parametrize("answer", ["6985", "0000006400079000"])
def test_a_card_that_will_not_be_loaded_costs_no_money(answer: str) -> None:
    made, connection = terminal(ScriptedCard(*FACE, answer))

    with pytest.raises(CardRefused):
        made.load(5000)

    assert sent(connection) == []


def test_open_loads_are_settled_until_none_is_left() -> None:
    card = ScriptedCard(*FACE, "000000649000", "000000649000")
    nothing = (404, {"code": "nothing_to_resume"})
    made, connection = terminal(card, move("loaded"), move("loaded", load_id="top_2"), nothing)

    resumed = made.resume()

    assert (resumed.ok, resumed.to_json()["load_id"], resumed.exchanges) == (True, "top_2", 2)
    assert {path for path, _ in sent(connection)} == {"/v1/terminals/loads/resume"}


def test_a_load_that_cannot_be_settled_ends_the_visit() -> None:
    made, connection = terminal(ScriptedCard(*FACE, "000000649000"), move("stopped"))

    resumed = made.resume()

    assert not resumed.ok
    assert len(sent(connection)) == 1


def test_open_loads_that_never_end_are_left_alone() -> None:
    card = ScriptedCard(*FACE, *["000000649000"] * 20)
    made, connection = terminal(card, *[move("loaded")] * 20)

    made.resume()

    assert len(sent(connection)) == 8


def test_another_refusal_is_the_callers_matter() -> None:
    made, _ = terminal(ScriptedCard(*FACE), (403, {"code": "terminal_differs"}))

    with pytest.raises(Refused, match="terminal_differs"):
        made.resume()
