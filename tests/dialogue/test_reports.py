"""Reports: each taken once, whoever sends it again, out of turn, forged, or to another process."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.elements import balance, blank
from tests.phone import Conversation, Report, make_report, silent
from tests.platform import Platform, problem

AMOUNT = 5000
NO_DIGEST = "sha256:" + "0" * 64


def topup_session(platform: Platform) -> Conversation:
    """A paid top-up of a fresh card, its first batch waiting for the report."""
    element = blank()
    card_no = platform.issue(element)
    return platform.open(platform.order_topup(card_no, AMOUNT)["order_id"], element)


def issuance_session(platform: Platform) -> Conversation:
    """A session in which the element was just asked to open: sooner made than a top-up's."""
    element = blank()
    return platform.open(platform.order_card(element)["order_id"], element)


def test_the_same_report_gets_the_same_bytes_at_every_point_of_a_session(any_platform: Platform) -> None:
    talk = topup_session(any_platform)
    answers = []
    while talk.batch["state"] == "continue":
        answers.append(talk.step().data)

    again = [talk.send(talk.session_id, report).data for report in talk.reports]

    assert again == answers
    assert any_platform.rows("SELECT count(*) FROM load_attempt")[0][0] == 1


def test_another_report_for_a_batch_already_answered_is_refused_with_the_present_seq(
    platform: Platform,
) -> None:
    talk = issuance_session(platform)
    first = talk.batch
    talk.step()
    other = make_report(first, [{"i": 1, "sw": "6A82", "data": ""}], 1)

    answer = talk.send(talk.session_id, other)

    assert problem(answer) == (409, "sequence_conflict")
    assert (answer.json or {})["details"] == {"seq": 2}


@pytest.mark.parametrize("seq", [2, 3, 10_000])
def test_a_report_ahead_of_the_session_is_refused_with_the_present_seq(platform: Platform, seq: int) -> None:
    talk = issuance_session(platform)

    answer = talk.send(talk.session_id, talk.run() | {"seq": seq})

    assert problem(answer) == (409, "sequence_conflict")
    assert (answer.json or {})["details"] == {"seq": 1}


def test_a_report_after_the_end_is_refused(platform: Platform) -> None:
    talk = topup_session(platform)
    last = talk.finish()

    answer = talk.send(talk.session_id, talk.reports[-1] | {"seq": last["seq"]})

    assert problem(answer) == (409, "session_over")


def test_any_process_continues_any_session(any_platform: Platform) -> None:
    talk = topup_session(any_platform)
    other = any_platform.another_process()
    continued = other.conversation({"token": talk.token, "batch": talk.batch}, talk.reply)

    continued.step()
    talk.batch = continued.batch
    ending = talk.finish()
    repeated = continued.send(talk.session_id, talk.reports[-1])

    assert ending["outcome"]["state"] == "loaded"
    assert repeated.json == ending
    other.built.store.close()


def test_of_identical_reports_at_the_same_time_one_counts_and_all_get_its_answer(
    any_platform: Platform,
) -> None:
    talk = topup_session(any_platform)
    processes = [any_platform.another_process() for _ in range(4)]
    for process in processes:
        assert process.app.name == "ota"
    answers: list[set[bytes]] = []

    with ThreadPoolExecutor(len(processes)) as pool:
        while talk.batch["state"] == "continue":
            report = talk.run()
            doors = [
                process.conversation({"token": talk.token, "batch": {}}, silent) for process in processes
            ]
            sent = list(pool.map(lambda door: door.send(talk.session_id, report), doors))  # noqa: B023
            assert [answer.status_code for answer in sent] == [200] * len(sent)
            answers.append({answer.data for answer in sent})
            talk.batch = sent[0].json or {}

    assert [len(different) for different in answers] == [1, 1]
    assert talk.batch["outcome"]["state"] == "loaded"
    assert any_platform.rows("SELECT state FROM load_attempt") == [("loaded",)]
    for process in processes:
        process.built.store.close()


def test_a_digest_that_is_not_the_reports_own_is_refused_and_changes_nothing(platform: Platform) -> None:
    talk = issuance_session(platform)
    report = talk.run()

    refused = talk.send(talk.session_id, report | {"digest": NO_DIGEST})

    assert problem(refused) == (409, "digest_wrong")
    assert talk.hand_in(report).status_code == 200


def _drop_last(report: Report) -> Report:
    return report | {"executed": report["executed"] - 1, "results": report["results"][:-1]}


def _turn_around(report: Report) -> Report:
    return report | {"results": report["results"][::-1]}


def _with_result(**changes: Any) -> Callable[[Report], Report]:
    return lambda report: report | {"results": [report["results"][0] | changes, *report["results"][1:]]}


def _with(**changes: Any) -> Callable[[Report], Report]:
    return lambda report: report | changes


def _without(name: str) -> Callable[[Report], Report]:
    return lambda report: {key: value for key, value in report.items() if key != name}


HOSTILE: dict[str, Callable[[Report], Any]] = {
    "one result missing": _drop_last,
    "results turned around": _turn_around,
    "one result twice": lambda report: report | {"executed": 3, "results": report["results"][:1] * 3},
    "more results than commands": lambda report: (
        report | {"executed": 40, "results": [report["results"][0] | {"i": i} for i in range(1, 41)]}
    ),
    "executed does not count": _with(executed=1),
    "goes on after an unexpected answer": _with_result(sw="6A82"),
    "stopped though all went well": _with(stopped_at=1),
    "a transport error though all was answered": _with(transport_error="timeout"),
    "an unknown transport error": _with(transport_error="gremlins"),
    "stopped outside the batch": _with(stopped_at=200),
    "no results at all": _with(results=[], executed=0),
    "odd hex": _with_result(data="ABC"),
    "no hex": _with_result(sw="90OO"),
    "a short status word": _with_result(sw="90"),
    "a long answer": _with_result(data="00" * 257),
    "a number as text": _with(executed="2"),
    "a fraction": _with(executed=2.5),
    "a boolean as a number": _with(seq=True),
    "seq 0": _with(seq=0),
    "a negative seq": _with(seq=-1),
    "a huge seq": _with(seq=2**62),
    "a digest of another kind": _with(digest="md5:00"),
    "an unknown field": _with(note="hello"),
    "no digest": _without("digest"),
    "no results field": _without("results"),
    "results are no list": _with(results={"i": 1}),
    "a result is no object": _with(results=[1, 2]),
    "a result without a status word": _with(results=[{"i": 1}, {"i": 2}]),
    "a list": lambda report: [report],
}


@pytest.mark.parametrize("change", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_report_that_contradicts_its_batch_is_refused_and_changes_nothing(
    platform: Platform, change: Callable[[Report], Any]
) -> None:
    talk = issuance_session(platform)
    report = talk.run()

    answer = talk.send(talk.session_id, change(report))

    assert 400 <= answer.status_code < 500, answer.text
    assert problem(answer)[1]
    assert talk.hand_in(report).status_code == 200


def test_status_words_and_data_may_be_written_in_either_case(platform: Platform) -> None:
    talk = issuance_session(platform)
    report = talk.run()
    results = [each | {"data": each["data"].lower()} for each in report["results"]]

    assert talk.hand_in(report | {"results": results}).status_code == 200


def test_the_money_moves_once_however_often_the_last_report_comes(any_platform: Platform) -> None:
    element = blank()
    card_no = any_platform.issue(element)
    order_id = any_platform.order_topup(card_no, AMOUNT)["order_id"]
    talk = any_platform.open(order_id, element)
    talk.finish()

    repeated = [talk.send(talk.session_id, talk.reports[-1]).data for _ in range(3)]

    assert len(set(repeated)) == 1
    assert balance(element) == AMOUNT
    assert any_platform.rows("SELECT count(*) FROM evidence WHERE kind = 'tac'")[0][0] == 1
