"""A phone in a session; whole sessions are in tests/journeys."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ota.sandbox.api import Api, Refused
from ota.sandbox.batch import BatchRefused, batch_digest, read_orders
from ota.sandbox.outbox import Outbox, Pending
from ota.sandbox.phone import Ending, Mishaps, Phone, Vanished
from ota.sandbox.reader import Reader
from tests.sandbox.cards import ScriptedCard
from tests.sandbox.connections import Planned, ScriptedConnection

COMMANDS = [
    {"i": 1, "apdu": "00A4040000", "expect": "9000", "note": ""},
    {"i": 2, "apdu": "805C000204", "expect": "9000", "note": ""},
]
DONE = {"session_id": "ses_1", "seq": 2, "state": "done", "outcome": {"state": "loaded"}, "receipt": "r"}
CONFLICT = {"code": "sequence_conflict", "retryable": False}
OVER = {"code": "session_over", "retryable": False}


def batch(seq: int = 1) -> dict[str, Any]:
    return {
        "session_id": "ses_1",
        "seq": seq,
        "state": "continue",
        "digest": batch_digest(read_orders(COMMANDS)),
        "commands": COMMANDS,
        "on_mismatch": "stop",
    }


OPENED = {"session_id": "ses_1", "token": "tok", "batch": batch()}


def phone(
    answers: list[Planned], card: ScriptedCard | None = None, outbox: Outbox | None = None, **mishaps: Any
) -> tuple[Phone, ScriptedConnection, ScriptedCard]:
    connection = ScriptedConnection(*answers)
    card = card or ScriptedCard(*["9000"] * 10)
    made = Phone(Reader(card), Api(connection, pause=lambda _: None), outbox, Mishaps(**mishaps))
    return made, connection, card


def sent(connection: ScriptedConnection) -> list[dict[str, Any]]:
    return [json.loads(body) for method, _, _, body in connection.requests if method == "POST" and body]


def test_a_session_is_carried_to_its_end() -> None:
    made, connection, card = phone([(200, batch(2)), (200, DONE)])

    ending = made.converse("top_1", OPENED, exchanges=1)

    assert ending == Ending("done", {"state": "loaded"}, None, "r", 3)
    assert [report["seq"] for report in sent(connection)] == [1, 2]
    assert {request[1] for request in connection.requests} == {"/v1/sessions/ses_1/results"}
    assert {request[2]["Authorization"] for request in connection.requests} == {"Bearer tok"}
    assert len(card.sent) == 4


def test_a_batch_with_another_digest_never_reaches_the_card() -> None:
    made, _, card = phone([])

    with pytest.raises(BatchRefused):
        made.converse("top_1", OPENED | {"batch": batch() | {"digest": "sha256:" + "0" * 64}})

    assert card.sent == []


def test_a_report_that_comes_too_late_gets_the_sessions_last_answer() -> None:
    made, connection, _ = phone([(409, CONFLICT), (200, DONE)])

    ending = made.converse("top_1", OPENED)

    assert ending.done
    assert [request[:2] for request in connection.requests] == [
        ("POST", "/v1/sessions/ses_1/results"),
        ("GET", "/v1/sessions/ses_1"),
    ]


def test_another_refusal_is_the_callers_matter() -> None:
    made, _, _ = phone([(400, {"code": "invalid_report"})])

    with pytest.raises(Refused, match="invalid_report"):
        made.converse("top_1", OPENED)


@pytest.mark.parametrize(
    ("mishaps", "commands", "reports"),
    [
        ({"drop_after": 1}, 1, 0),
        ({"drop_after": 2}, 2, 0),
        ({"drop_after": 3}, 3, 1),
        ({"lose_report": 1}, 2, 0),
        ({"lose_report": 2}, 4, 1),
    ],
)
def test_a_phone_dies_where_it_was_asked_to(mishaps: dict[str, Any], commands: int, reports: int) -> None:
    made, connection, card = phone([(200, batch(2)), (200, DONE)], **mishaps)

    with pytest.raises(Vanished):
        made.converse("top_1", OPENED)

    assert (len(card.sent), len(connection.requests)) == (commands, reports)
    assert card.closed


def test_a_torn_card_is_reported_by_a_phone_that_lives() -> None:
    made, connection, _ = phone([(200, DONE)], tear_after=1)

    made.converse("top_1", OPENED)

    report = sent(connection)[0]
    assert (report["executed"], report["stopped_at"], report["transport_error"]) == (1, 2, "se_unavailable")


def test_a_report_is_kept_until_it_was_acknowledged(tmp_path: Path) -> None:
    file = tmp_path / "phone.json"
    made, _, _ = phone([], outbox=Outbox(file), lose_report=1)
    with pytest.raises(Vanished):
        made.converse("top_1", OPENED)

    again, connection, card = phone([(200, DONE)], outbox=Outbox(file))
    ending = again.continue_pending()

    assert ending is not None
    assert ending.exchanges == 1
    assert sent(connection)[0]["executed"] == 2
    assert card.sent == []
    assert not file.exists()


def test_a_kept_report_may_be_answered_with_another_batch(tmp_path: Path) -> None:
    file = tmp_path / "phone.json"
    made, _, _ = phone([], outbox=Outbox(file), lose_report=1)
    with pytest.raises(Vanished):
        made.converse("top_1", OPENED)

    again, _, card = phone([(200, batch(2)), (200, DONE)], outbox=Outbox(file))
    ending = again.continue_pending()

    assert ending is not None
    assert (ending.done, ending.exchanges, len(card.sent)) == (True, 2, 2)


@pytest.mark.parametrize(
    ("status", "code"), [(401, "unauthenticated"), (409, "session_over"), (404, "not_found")]
)
def test_a_kept_report_of_a_session_that_is_over_is_let_go(status: int, code: str) -> None:
    outbox = Outbox()
    outbox.keep(Pending("top_1", "ses_1", "tok", {"seq": 1}))
    made, _, _ = phone([(status, {"code": code})], outbox=outbox)

    ending = made.continue_pending()

    assert ending is None
    assert outbox.pending is None


def test_a_kept_report_that_the_platform_calls_wrong_is_not_hidden() -> None:
    outbox = Outbox()
    outbox.keep(Pending("top_1", "ses_1", "tok", {"seq": 1}))
    made, _, _ = phone([(400, {"code": "digest_wrong"})], outbox=outbox)

    with pytest.raises(Refused, match="digest_wrong"):
        made.continue_pending()

    assert made.pending_order == "top_1"


@pytest.mark.parametrize("pending", [None, Pending("top_1", "ses_1", "tok")])
def test_without_a_kept_report_there_is_nothing_to_hand_in(pending: Pending | None) -> None:
    outbox = Outbox()
    if pending is not None:
        outbox.keep(pending)
    made, connection, _ = phone([], outbox=outbox)

    ending = made.continue_pending()

    assert (ending, made.pending_order, connection.requests) == (None, None, [])


def test_a_kept_report_is_for_its_owner_only(tmp_path: Path) -> None:
    file = tmp_path / "phone.json"

    Outbox(file).keep(Pending("top_1", "ses_1", "tok", {"seq": 1}))

    assert file.stat().st_mode & 0o077 == 0
    assert Outbox(file).pending == Pending("top_1", "ses_1", "tok", {"seq": 1})
    assert [path.name for path in tmp_path.iterdir()] == ["phone.json"]


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"order_id": "x", "more": 1}'])
def test_a_file_of_something_else_is_not_overwritten(tmp_path: Path, content: str) -> None:
    file = tmp_path / "phone.json"
    file.write_text(content, encoding="utf-8")

    with pytest.raises(ValueError, match=r"phone\.json: expected a state file"):
        Outbox(file)
