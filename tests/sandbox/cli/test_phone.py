"""``ota-sandbox phone`` against a real server and an element on a line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ota.sandbox import credentials
from tests.journeys.world import face_of, new_element
from tests.sandbox.cli.conftest import on_a_line, run, told


def where(server: str, element: str) -> list[str]:
    return ["--server", server, "--element", element]


def test_a_card_is_issued_and_loaded(server: str) -> None:
    element = new_element()
    with on_a_line(element) as address:
        issued = told("phone", "issue", *where(server, address), "--city", "guangzhou")
        loaded = told("phone", "topup", *where(server, address), "--amount-fen", "2500")

    assert issued[0] == loaded[0] == 0
    assert {name: issued[1][name] for name in ("ok", "state", "exchanges", "balance_after_fen")} == {
        "ok": True,
        "state": "active",
        "exchanges": 2,
        "balance_after_fen": 0,
    }
    assert loaded[1] | {"outcome": None, "receipt": None} == {
        "ok": True,
        "card_no": issued[1]["card_no"],
        "balance_before_fen": 0,
        "balance_after_fen": 2500,
        "order_id": loaded[1]["order_id"],
        "state": "loaded",
        "session_state": "done",
        "exchanges": 2,
        "outcome": None,
        "receipt": None,
        "problem": None,
    }
    assert face_of(element).balance_fen == 2500


def test_a_phone_that_vanished_resumes_from_its_state_file(server: str, tmp_path: Path) -> None:
    element, state = new_element("02"), str(tmp_path / "phone.json")
    with on_a_line(element) as address:
        common = [*where(server, address), "--state", state]
        gone = told("phone", "issue", *common, "--city", "5880", "--lose-report", "1")
        resumed = told("phone", "resume", *common)
        again = told("phone", "resume", *common)

    assert (gone[0], gone[1]["ok"], gone[1]["state"]) == (1, False, "vanished")
    assert (resumed[0], resumed[1]["ok"], resumed[1]["state"], resumed[1]["exchanges"]) == (
        0,
        True,
        "active",
        1,
    )
    assert (again[0], again[1]["state"], again[1]["orders"]) == (0, "nothing_to_resume", [])
    assert resumed[1]["card_no"] == face_of(element).card_no


def test_a_torn_card_ends_uncertain_and_resumes(server: str) -> None:
    element = new_element()
    with on_a_line(element) as address:
        told("phone", "issue", *where(server, address), "--city", "zhuhai", "--first-load-fen", "500")
        torn = told("phone", "topup", *where(server, address), "--amount-fen", "700", "--tear-after", "2")
        resumed = told("phone", "resume", *where(server, address))

    assert (torn[0], torn[1]["session_state"], torn[1]["problem"]["next_action"]) == (
        1,
        "uncertain",
        "resume",
    )
    assert (resumed[0], resumed[1]["balance_after_fen"]) == (0, 1200)


def test_people_are_told_in_words(server: str) -> None:
    with on_a_line(new_element()) as address:
        result = run(
            "phone", "issue", *where(server, address), "--city", "yunfu", "--transcript", "--repeat-reports"
        )
        refused = run("phone", "issue", *where(server, address), "--city", "yunfu")

    assert "✓ all is well" in result.stdout
    assert "STORE DATA t-union" in result.stdout
    assert "✗ not done" in refused.stdout
    assert "element_taken" in refused.stdout


def test_a_wallet_may_use_a_key_of_its_own(server: str, tmp_path: Path) -> None:
    key = tmp_path / "key.json"
    key.write_text(json.dumps(dict(credentials.wallet("sandbox-wallet-2").private_jwk)), encoding="utf-8")
    element = new_element()
    with on_a_line(element) as address:
        wallet = ["--wallet-id", "sandbox-wallet-2", "--wallet-key", str(key)]
        issued = told("phone", "issue", *where(server, address), "--city", "heyuan", *wallet)
        stranger = told("phone", "topup", *where(server, address), "--amount-fen", "100")

    assert issued[0] == 0
    assert (stranger[0], stranger[1]["problem"]["status"]) == (1, 404)


@pytest.mark.parametrize(
    ("options", "code"),
    [
        (["--audience", "urn:ota:elsewhere"], "invalid_client"),
        (["--sd-aid", "A0000000FF"], "element_unknown"),
        (["--key-version", "77"], "key_version_unknown"),
    ],
)
def test_what_does_not_fit_is_told_by_its_code(server: str, options: list[str], code: str) -> None:
    with on_a_line(new_element()) as address:
        exit_code, view = told("phone", "issue", *where(server, address), "--city", "heyuan", *options)

    assert (exit_code, view["ok"], view["problem"]["code"]) == (1, False, code)


def test_an_empty_element_has_nothing_to_load(server: str) -> None:
    with on_a_line(new_element()) as address:
        exit_code, view = told("phone", "topup", *where(server, address), "--amount-fen", "100")

    assert (exit_code, view["problem"]["code"]) == (1, "card_not_readable")


def test_nobody_on_the_line_is_told(server: str) -> None:
    exit_code, view = told("phone", "resume", *where(server, "tcp://127.0.0.1:1"))

    assert (exit_code, view["problem"]["code"]) == (1, "card_gone")


def test_no_server_is_told() -> None:
    with on_a_line(new_element()) as address:
        exit_code, view = told("phone", "issue", *where("http://127.0.0.1:1", address), "--city", "heyuan")

    assert (exit_code, view["problem"]["code"]) == (1, "server_unreachable")


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--server", "nowhere", "--element", "tcp://127.0.0.1:1"], "expected http://HOST:PORT"),
        (["--server", "http://127.0.0.1:1", "--element", "nowhere"], "expected tcp://HOST:PORT"),
        (["--server", "http://x", "--element", "x:1", "--wallet-id", "nobody"], "no published test key"),
    ],
)
def test_a_wrong_option_is_told_with_what_was_expected(options: list[str], expected: str) -> None:
    result = run("phone", "resume", *options)

    assert result.exit_code == 2
    assert expected in result.output


@pytest.mark.parametrize("option", ["--state", "--wallet-key"])
def test_a_file_of_something_else_is_named(tmp_path: Path, option: str) -> None:
    file = tmp_path / "something"
    file.write_text("else", encoding="utf-8")

    result = run("phone", "resume", "--server", "http://x", "--element", "x:1", option, str(file))

    assert result.exit_code == 2
    assert "something: expected" in result.output.replace("\n", "")
