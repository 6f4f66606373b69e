"""A phone's side of a batch; the figures are computed here by hand from docs/protocol.md."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from ota.sandbox.batch import BatchRefused, Order, Result, batch_digest, fits, read_batch, report_of, run
from ota.sandbox.reader import Answer, Reader
from tests.sandbox.cards import ScriptedCard

LINES = "1 00A4040000 9000\n2 805C000204 9000|6A8.\n"
DIGEST = "sha256:" + hashlib.sha256(LINES.encode()).hexdigest()


def answer(**changes: Any) -> dict[str, Any]:
    commands = [
        {"i": 1, "apdu": "00A4040000", "expect": "9000", "note": "SELECT"},
        {"i": 2, "apdu": "805C000204", "expect": "9000|6A8."},
    ]
    good = {"session_id": "ses_1", "seq": 3, "digest": DIGEST, "commands": commands, "on_mismatch": "stop"}
    return good | changes


def test_a_batch_that_arrived_whole_is_read() -> None:
    batch = read_batch(answer())

    assert (batch.session_id, batch.seq, batch.digest) == ("ses_1", 3, DIGEST)
    assert batch.orders == (Order(1, "00A4040000", "9000", "SELECT"), Order(2, "805C000204", "9000|6A8.", ""))


def test_the_digest_covers_number_command_and_expectation() -> None:
    orders = read_batch(answer()).orders

    assert batch_digest(orders) == DIGEST
    assert batch_digest(orders[:1]) != DIGEST


@pytest.mark.parametrize(
    "changes",
    [
        {"digest": "sha256:" + "0" * 64},
        {"on_mismatch": "continue"},
        {"commands": [{"i": 2, "apdu": "00A4040000", "expect": "9000"}]},
        {"commands": [{"i": 1, "apdu": "00A4040000", "expect": ".*"}]},
        {"commands": [{"i": 1, "apdu": "00A4040000", "expect": ""}]},
        {"commands": [{"i": 1, "apdu": "00A4040000", "expect": "9000|"}]},
    ],
)
def test_a_batch_that_was_changed_is_not_run(changes: dict[str, Any]) -> None:
    with pytest.raises(BatchRefused):
        read_batch(answer(**changes))


@pytest.mark.parametrize(
    ("expect", "sw", "expected"),
    [
        ("9000", 0x9000, True),
        ("9000", 0x9001, False),
        ("9000|6A88", 0x6A88, True),
        ("63C.", 0x63C2, True),
        ("63C.", 0x6300, False),
        ("....", 0x6F00, True),
    ],
)
def test_a_pattern_says_whether_to_go_on(expect: str, sw: int, expected: bool) -> None:
    assert fits(expect, sw) is expected


ORDERS = read_batch(answer()).orders


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        (["9000", "000000009000"], (["9000", "9000"], None, None)),
        (["9000", "6A82"], (["9000", "6A82"], None, None)),
        (["6A82", "9000"], (["6A82"], 1, None)),
        (["9000", "6700"], (["9000", "6700"], 2, None)),
        (["9000"], (["9000"], 2, "se_unavailable")),
        ([], ([], 1, "se_unavailable")),
    ],
)
def test_a_batch_is_run_up_to_the_first_surprise(
    answers: list[str], expected: tuple[list[str], int | None, str | None]
) -> None:
    results, stopped_at, error = run(Reader(ScriptedCard(*answers)), ORDERS)

    assert ([result.answer.sw_hex for result in results], stopped_at, error) == expected


def test_a_report_holds_results_ending_and_a_digest_over_both() -> None:
    results = [Result(1, Answer(b"", 0x9000)), Result(2, Answer(b"\x00\x13", 0x6985))]

    report = report_of(read_batch(answer()), results, 2, None)

    told = f"{DIGEST}\n1 9000 \n2 6985 0013\nstopped_at=2 transport_error=-\n"
    assert report == {
        "seq": 3,
        "digest": "sha256:" + hashlib.sha256(told.encode()).hexdigest(),
        "executed": 2,
        "results": [{"i": 1, "sw": "9000"}, {"i": 2, "sw": "6985", "data": "0013"}],
        "stopped_at": 2,
        "transport_error": None,
    }


def test_a_report_of_a_torn_card_says_so() -> None:
    report = report_of(read_batch(answer()), [], None, "timeout")

    told = f"{DIGEST}\nstopped_at=- transport_error=timeout\n"
    assert report["digest"] == "sha256:" + hashlib.sha256(told.encode()).hexdigest()
    assert (report["executed"], report["stopped_at"], report["transport_error"]) == (0, None, "timeout")
