"""Whose session it is, which one counts, and how it is looked at and ended."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import jwt
import pytest

from tests.dialogue.test_reports import AMOUNT, issuance_session, topup_session
from tests.elements import blank, described
from tests.phone import Conversation, silent
from tests.platform import Platform, problem


def as_phone(talk: Conversation) -> dict[str, str]:
    return {"Authorization": f"Bearer {talk.token}"}


@pytest.mark.parametrize("then", [0, 1, 2])
def test_a_phone_that_lost_an_answer_reads_it_again(any_platform: Platform, then: int) -> None:
    talk = topup_session(any_platform)
    for _ in range(then):
        talk.step()
    path = f"/v1/sessions/{talk.session_id}"

    by_phone = any_platform.app.test_client().get(path, headers=as_phone(talk))
    by_wallet = any_platform.get(path)

    assert by_phone.status_code == 200
    assert by_phone.json == talk.batch
    assert by_wallet.data == by_phone.data


def test_a_phone_cannot_open_a_session(platform: Platform) -> None:
    talk = topup_session(platform)
    body = {"order_id": platform.rows("SELECT subject_id FROM session")[0][0]}

    answer = platform.app.test_client().post("/v1/sessions", json=body, headers=as_phone(talk))

    assert problem(answer) == (403, "scope_missing")
    assert answer.json is not None
    assert answer.json["details"] == {"scope": "session:open"}


def test_a_newer_session_takes_the_place_of_the_older_one(any_platform: Platform) -> None:
    element = blank()
    order_id = any_platform.order_topup(any_platform.issue(element), AMOUNT)["order_id"]
    older = any_platform.open(order_id, element)
    newer = any_platform.open(order_id, element)

    report, look = older.step(), any_platform.get(f"/v1/sessions/{older.session_id}")
    cancelled = any_platform.post(f"/v1/sessions/{older.session_id}/cancel")
    ending = newer.finish()

    assert problem(report) == (409, "session_over")
    assert problem(look) == (409, "session_over")
    assert problem(cancelled) == (409, "session_over")
    assert ending["outcome"]["state"] == "loaded"


def test_another_wallets_session_does_not_exist(platform: Platform) -> None:
    talk = issuance_session(platform)
    path = f"/v1/sessions/{talk.session_id}"

    answers = (
        platform.get(path, by="rival"),
        platform.post(f"{path}/results", talk.run(), by="rival"),
        platform.post(f"{path}/cancel", by="rival"),
    )

    assert [problem(answer) for answer in answers] == [(404, "not_found")] * 3
    assert talk.finish()["state"] == "done"


def test_a_session_that_does_not_exist_is_told(platform: Platform) -> None:
    answers = (platform.get("/v1/sessions/ses_0"), platform.post("/v1/sessions/ses_0/cancel"))

    assert [problem(answer) for answer in answers] == [(404, "not_found")] * 2


def test_of_sessions_opened_at_the_same_time_for_one_order_one_stays_open(any_platform: Platform) -> None:
    element = blank()
    order_id = any_platform.order_topup(any_platform.issue(element), AMOUNT)["order_id"]
    processes = [any_platform.another_process() for _ in range(4)]
    ready = [process.app.name for process in processes]

    with ThreadPoolExecutor(len(ready)) as pool:
        answers = list(pool.map(lambda process: process.try_open(order_id, element), processes))

    codes = {answer.status_code for answer in answers}
    assert codes <= {201, 409}, [answer.text for answer in answers]
    assert any_platform.rows("SELECT count(*) FROM session WHERE state = 'continue'") == [(1,)]
    assert any_platform.open(order_id, element).finish()["outcome"]["state"] == "loaded"
    for process in processes:
        process.built.store.close()


@pytest.mark.parametrize("order_id", ["top_0", "iss_0", "ses_0", "nonsense", "_"])
def test_a_session_for_an_order_that_does_not_exist_is_not_opened(platform: Platform, order_id: str) -> None:
    answer = platform.try_open(order_id, blank())

    assert problem(answer) == (404, "not_found")


def test_a_session_for_another_wallets_order_is_not_opened(platform: Platform) -> None:
    element = blank()
    card = platform.order_card(element)
    topup = platform.order_topup(platform.issue(blank(seed="other")), AMOUNT)

    answers = [platform.try_open(order["order_id"], element, by="rival") for order in (card, topup)]

    assert [problem(answer) for answer in answers] == [(404, "not_found")] * 2


def test_a_phones_token_speaks_for_its_own_session_only(platform: Platform) -> None:
    first = issuance_session(platform)
    element = blank(seed="second")
    order = platform.order_topup(platform.issue(element), AMOUNT)
    second = platform.open(order["order_id"], element)
    client, path = platform.app.test_client(), f"/v1/sessions/{second.session_id}"

    answers = (
        client.get(path, headers=as_phone(first)),
        client.post(f"{path}/results", json=second.run(), headers=as_phone(first)),
        client.post(f"{path}/cancel", headers=as_phone(first)),
    )

    assert [answer.status_code for answer in answers] == [404] * 3


@pytest.mark.parametrize("path", ["/v1/topups/top_0", "/v1/products", "/v1/cards/3104870300000000006"])
def test_a_phones_token_opens_no_other_door(platform: Platform, path: str) -> None:
    talk = issuance_session(platform)

    answer = platform.app.test_client().get(path, headers=as_phone(talk))

    assert problem(answer) == (403, "scope_missing")


@pytest.mark.parametrize(("with_element", "named"), [(True, blank().se_id), (False, "none")])
def test_a_sessions_token_names_the_session_and_the_element(
    platform: Platform, with_element: bool, named: str
) -> None:
    element = blank()
    order = platform.order_topup(platform.issue(element), AMOUNT)

    answer = platform.try_open(order["order_id"], element if with_element else None)
    opened = answer.json or {}
    claims = jwt.decode(opened["token"], options={"verify_signature": False})

    assert (claims["sub"], claims["se_id"]) == (opened["session_id"], named)
    assert platform.conversation(opened, element).finish()["state"] == "done"


def test_a_cancelled_session_takes_no_report_and_says_so(any_platform: Platform) -> None:
    talk = topup_session(any_platform)
    path = f"/v1/sessions/{talk.session_id}"

    cancelled = any_platform.post(f"{path}/cancel")
    again = any_platform.post(f"{path}/cancel")
    report, look = talk.step(), any_platform.get(path)

    assert (cancelled.json or {})["state"] == "cancelled"
    assert again.data == cancelled.data
    assert problem(report) == (409, "session_over")
    assert problem(look) == (409, "session_over")


def test_cancelling_a_finished_session_tells_how_it_ended(platform: Platform) -> None:
    talk = topup_session(platform)
    ending = talk.finish()

    answer = platform.post(f"/v1/sessions/{talk.session_id}/cancel")

    assert answer.json == ending
    assert platform.get(f"/v1/sessions/{talk.session_id}").json == ending


def test_an_order_whose_session_was_cancelled_gets_a_new_one(platform: Platform) -> None:
    element = blank()
    order_id = platform.order_topup(platform.issue(element), AMOUNT)["order_id"]
    talk = platform.open(order_id, element)
    platform.post(f"/v1/sessions/{talk.session_id}/cancel")

    ending = platform.open(order_id, element).finish()

    assert ending["outcome"]["state"] == "loaded"


def test_a_report_that_ends_a_session_in_doubt_is_kept_with_its_answer(any_platform: Platform) -> None:
    talk = topup_session(any_platform)
    talk.step()
    talk.reply = silent

    ending = talk.finish()
    look = any_platform.get(f"/v1/sessions/{talk.session_id}")

    assert (ending["state"], ending["problem"]["next_action"]) == ("uncertain", "resume")
    assert look.json == ending


HOSTILE_OPENINGS: dict[str, dict[str, Any]] = {
    "small commands": {"caps": {"max_apdu": 127}},
    "large commands": {"caps": {"max_apdu": 256}},
    "small batches": {"caps": {"max_batch": 15}},
    "large batches": {"caps": {"max_batch": 256}},
    "does not stop": {"caps": {"stop_on_sw": False}},
    "leaves data on the card": {"caps": {"get_response": False}},
    "an unknown capability": {"caps": {"speed": 3}},
    "too much was collected": {"precollected": [{"apdu": "00A40400", "sw": "9000"}] * 65},
    "collected half a command": {"precollected": [{"apdu": "00A404", "sw": "9000"}]},
    "collected a broken command": {"precollected": [{"apdu": "00A4040008A0", "sw": "9000"}]},
    "collected no status word": {"precollected": [{"apdu": "00A40400"}]},
    "an element without a name": {"se": {"type": "eSE"}},
    "an unknown field": {"colour": "red"},
    "another protocol": {"se": described(blank(), scp="80")},
    "a name with a line break": {"se": described(blank(), se_id="a\nb")},
    "a long name": {"se": described(blank(), se_id="a" * 129)},
    "no name": {"se": described(blank(), se_id="")},
    "half a key version": {"se": described(blank(), key_version="3")},
    "a short security domain": {"se": described(blank(), sd_aid="A0")},
    "a long sequence": {"se": described(blank(), sequence="00000000")},
}


@pytest.mark.parametrize("opening", HOSTILE_OPENINGS.values(), ids=HOSTILE_OPENINGS.keys())
def test_an_opening_outside_the_contract_is_refused_before_anything_happens(
    platform: Platform, opening: dict[str, Any]
) -> None:
    element = blank()
    order_id = platform.order_card(element)["order_id"]

    answer = platform.try_open(order_id, element, **opening)

    assert 400 <= answer.status_code < 500, answer.text
    assert problem(answer)[1]
    assert platform.rows("SELECT count(*) FROM session")[0][0] == 0
    assert platform.issuance_state(order_id) == "number_held"


def test_what_an_element_says_about_itself_survives_the_way_through_the_database(platform: Platform) -> None:
    element = blank()
    order_id = platform.order_card(element)["order_id"]
    se = described(element, cplc=element.cplc.hex(), sequence="00002A")
    caps = {"max_apdu": 200, "max_batch": 20, "idle_limit_ms": 9000}

    talk = platform.open(order_id, element, se=se, caps=caps)

    assert talk.finish()["state"] == "done"
