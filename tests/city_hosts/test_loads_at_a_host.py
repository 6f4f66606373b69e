"""Cards of a self-issuing city, loaded through its host by phones and terminals, on good days and bad ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from unittest.mock import patch

import pytest

from ota.city_hosts import hosted
from ota.sandbox.city_host import Fault
from tests.city_hosts.installation import Card, InProcess, Province
from tests.elements import balance, tunion
from tests.phone import forging, make_report
from tests.platform import problem

NO_ANSWER_THAT_COUNTS = [
    Fault.LOST,
    Fault.LATE,
    Fault.WRONG_SIGNATURE,
    Fault.UNSIGNED,
    Fault.ALTERED,
    Fault.OLD_ANSWER,
    Fault.OTHER_CARD,
    Fault.BROKEN,
]


def test_a_phone_loads_a_card_of_a_self_issuing_city(any_province: Province, card: Card) -> None:
    order = any_province.order_topup(card.number)

    ending = any_province.open(order["order_id"], card.element).finish()

    assert (ending["state"], balance(card.element)) == ("done", 5000)
    assert any_province.host.heard == ["check", "authorise", "confirm"]
    assert (any_province.hosted(), any_province.at_the_host()) == (["confirmed"], ["loaded"])
    assert any_province.jobs_waiting() == 0


def test_a_terminal_loads_a_card_of_a_self_issuing_city(any_province: Province, card: Card) -> None:
    answer = any_province.at_terminal(card)
    move: dict[str, Any] = answer.json or {}
    credited = card.element.transmit(bytes.fromhex(move["apdu"]))

    path = f"/v1/terminals/loads/{move['load_id']}/result"
    done = any_province.post(path, {"sw": "9000", "tac": credited[:4].hex()}, by="terminal")

    assert (done.json or {})["state"] == "loaded"
    assert balance(card.element) == 5000
    assert (any_province.hosted(), any_province.at_the_host()) == (["confirmed"], ["loaded"])


@pytest.mark.parametrize("fault", NO_ANSWER_THAT_COUNTS)
def test_an_answer_that_does_not_count_costs_nothing_and_the_next_try_loads(
    province: Province, card: Card, fault: Fault
) -> None:
    order_id, phone = province.begin(card)
    province.host.plan("authorise", fault)
    report = phone.run()

    refused = phone.hand_in(report)

    assert problem(refused) == (503, "city_host_unknown")
    assert (province.topup_state(order_id), balance(card.element)) == ("paid", 0)
    assert (province.attempts(), province.hosted()) == (["dead"], ["voiding"])

    again = phone.hand_in(report)  # the phone keeps its report and repeats it
    ending = phone.finish()

    assert again.status_code == 200
    assert (ending["state"], balance(card.element)) == ("done", 5000)
    province.run_jobs()
    assert (province.hosted(), province.at_the_host()) == (["void", "confirmed"], ["void", "loaded"])
    assert province.topup_state(order_id) == "loaded"


def test_a_mac2_that_never_came_lets_a_terminal_go_on_with_a_question(province: Province, card: Card) -> None:
    province.host.plan("authorise", Fault.LATE)
    wanted = province.terminal_load(card)

    first = province.post("/v1/terminals/loads", wanted, by="terminal", key="k")
    second = province.post("/v1/terminals/loads", wanted, by="terminal", key="k")
    resumed = province.post(
        "/v1/terminals/loads/resume",
        {"terminal_no": wanted["terminal_no"], "card_no": card.number},
        by="terminal",
    )

    assert problem(first) == (503, "city_host_unknown")
    assert problem(second) == (409, "challenge_superseded")
    assert (resumed.json or {})["state"] == "probe"
    assert balance(card.element) == 0


def test_another_cards_mac2_is_found_out_by_the_card(province: Province, card: Card) -> None:
    order_id, phone = province.begin(card)
    province.host.plan("authorise", Fault.OTHER_MAC2)

    ending = phone.finish()

    assert (ending["state"], balance(card.element)) == ("done", 5000)
    assert province.attempts() == ["dead", "loaded"]
    assert (province.hosted(), province.at_the_host()) == (["void", "confirmed"], ["void", "loaded"])
    assert province.topup_state(order_id) == "loaded"


def test_a_question_that_arrives_twice_is_one_load(province: Province, card: Card) -> None:
    _, phone = province.begin(card)
    province.host.plan("authorise", Fault.TWICE)
    province.host.plan("confirm", Fault.TWICE)

    ending = phone.finish()

    assert (ending["state"], balance(card.element)) == ("done", 5000)
    assert len(province.host.loads) == 1


def test_a_host_that_is_down_before_it_is_asked_promises_nothing(province: Province, card: Card) -> None:
    order_id, phone = province.begin(card)
    province.host.plan("authorise", Fault.DOWN)

    refused = phone.step()

    assert problem(refused) == (503, "city_host_unavailable")
    assert (province.attempts(), province.hosted()) == (["dead"], ["unheard"])
    assert province.topup_state(order_id) == "paid"
    assert province.jobs_waiting() == 0
    assert phone.finish()["state"] == "done"


@pytest.mark.parametrize(
    "fault", [Fault.DOWN, *(fault for fault in NO_ANSWER_THAT_COUNTS if fault is not Fault.OLD_ANSWER)]
)
def test_mac1_that_cannot_be_looked_at_writes_nothing(province: Province, card: Card, fault: Fault) -> None:
    province.host.plan("check", fault)
    order_id, phone = province.begin(card)

    refused = phone.step()

    assert problem(refused) == (503, "city_host_unavailable")
    assert (province.attempts(), province.topup_state(order_id)) == ([], "paid")
    assert phone.finish()["state"] == "done"


def test_a_forged_mac1_is_refused_by_the_host(province: Province, card: Card) -> None:
    _, phone = province.begin(card)
    report = phone.run()
    honest = report["results"][-1]["data"]
    report["results"][-1]["data"] = honest[:-8] + "00000000"
    refused = phone.hand_in(make_report(phone.batch, report["results"]))

    assert problem(refused) == (422, "mac1_wrong")
    assert province.attempts() == []


def test_a_card_that_its_city_has_blocked_is_refused_with_the_citys_reason(
    province: Province, card: Card
) -> None:
    province.host.blocked.add(card.number)
    order_id, phone = province.begin(card)

    ending = phone.finish()

    assert (ending["state"], ending["problem"]["code"]) == ("failed", "city_host_refused")
    assert ending["problem"]["details"] == {"reason": "card_blocked"}
    assert (province.attempts(), province.topup_state(order_id)) == ([], "paid")


def test_a_refusal_at_the_last_moment_frees_the_money(province: Province, card: Card) -> None:
    def block(verb: str) -> None:
        if verb == "authorise":
            province.host.blocked.add(card.number)

    province.wire.meanwhile = block
    order_id, phone = province.begin(card)

    ending = phone.finish()

    assert (ending["state"], ending["problem"]["code"]) == ("failed", "city_host_refused")
    assert (province.attempts(), province.hosted()) == (["dead"], ["refused"])
    assert province.topup_state(order_id) == "paid"


# The end of a load ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", [Fault.DOWN, Fault.LOST, Fault.LATE, Fault.UNSIGNED])
def test_a_tac_that_the_host_could_not_take_is_handed_in_again(
    province: Province, card: Card, fault: Fault
) -> None:
    order_id, phone = province.begin(card)
    phone.step()
    province.host.plan("confirm", fault)
    report = phone.run()

    refused = phone.hand_in(report)
    ending = phone.hand_in(report).json or {}

    assert problem(refused) == (503, "city_host_unavailable")
    assert ending["state"] == "done"
    assert (province.hosted(), province.topup_state(order_id)) == (["confirmed"], "loaded")
    province.run_jobs()
    assert province.jobs_waiting() == 0


def test_a_phone_that_does_not_come_back_has_its_tac_forwarded(province: Province, card: Card) -> None:
    order_id, phone = province.begin(card)
    phone.step()
    province.host.plan("confirm", Fault.DOWN, Fault.DOWN)
    phone.step()

    province.run_jobs()
    assert (province.topup_state(order_id), province.jobs_waiting()) == ("loading", 1)
    province.clock.advance(seconds=2)
    province.run_jobs()

    assert (province.topup_state(order_id), province.hosted()) == ("loaded", ["confirmed"])
    assert balance(card.element) == 5000


def test_a_wrong_tac_is_not_believed_and_the_card_is_asked(province: Province, card: Card) -> None:
    order_id, phone = province.begin(card)
    phone.step()
    report = phone.run()
    report["results"][0]["data"] = "00000000"

    asked = phone.hand_in(make_report(phone.batch, report["results"]))
    ending = phone.finish()

    assert (asked.json or {})["state"] == "continue"
    assert ending["state"] == "done"
    assert (balance(card.element), province.topup_state(order_id)) == (5000, "loaded")


def test_a_wrong_tac_that_could_not_be_checked_at_once_is_dropped(province: Province, card: Card) -> None:
    order_id, phone = province.begin(card)
    phone.step()
    province.host.plan("confirm", Fault.DOWN)
    report = phone.run()
    report["results"][0]["data"] = "00000000"
    phone.hand_in(make_report(phone.batch, report["results"]))

    province.run_jobs()

    assert (province.hosted(), province.topup_state(order_id)) == (["granted"], "loading")
    assert province.jobs_waiting() == 0


def test_a_load_that_arrived_unseen_is_confirmed_by_the_cards_counter(province: Province, card: Card) -> None:
    order_id, phone = province.begin(card)
    phone.step()
    phone.run()  # the card is credited, the report is lost

    ending = province.open(order_id, card.element).finish()

    assert ending["state"] == "done"
    assert balance(card.element) == 5000
    province.built.runner.sweep()
    province.run_jobs()
    assert (province.hosted(), province.at_the_host()) == (["confirmed"], ["loaded"])


def test_a_load_that_never_arrived_is_void_before_the_next_is_asked_for(
    province: Province, card: Card
) -> None:
    order_id, phone = province.begin(card)
    phone.step()  # MAC2 is lost with the phone

    ending = province.open(order_id, card.element).finish()

    assert (ending["state"], balance(card.element)) == ("done", 5000)
    assert province.host.heard.index("void") < len(province.host.heard) - 1
    assert (province.hosted(), province.at_the_host()) == (["void", "confirmed"], ["void", "loaded"])


def test_nothing_new_is_asked_of_a_city_that_has_not_taken_the_last_void(
    province: Province, card: Card
) -> None:
    order_id, phone = province.begin(card)
    province.host.plan("authorise", Fault.LATE)
    province.host.plan("void", Fault.LOST)
    phone.step()
    phone.step()

    refused = phone.step()  # the void is tried first, and it is lost

    assert problem(refused) == (503, "city_host_unavailable")
    assert province.hosted() == ["voiding", "unheard"]
    assert (province.topup_state(order_id), balance(card.element)) == ("paid", 0)
    assert phone.finish()["state"] == "done"


def test_a_void_is_forwarded_until_it_is_acknowledged(province: Province, card: Card) -> None:
    _, phone = province.begin(card)
    province.host.plan("authorise", Fault.LATE)
    province.host.plan("void", *[Fault.DOWN, Fault.LATE, Fault.UNSIGNED] * 5)
    phone.step()

    tries = 0
    while province.hosted() == ["voiding"]:
        province.run_jobs()
        assert province.jobs_waiting() == (province.hosted() == ["voiding"])
        province.clock.advance(minutes=15)
        tries += 1

    assert tries == 16
    assert (province.hosted(), province.at_the_host(), province.jobs_waiting()) == (["void"], ["void"], 0)


def test_a_host_that_says_the_opposite_freezes_the_card(any_province: Province, card: Card) -> None:
    order_id, phone = any_province.begin(card)
    any_province.host.plan("authorise", Fault.LATE)
    phone.step()
    for load in any_province.host.loads.values():
        load.state = "loaded"

    any_province.run_jobs()
    any_province.run_jobs()

    (known,) = any_province.rows("SELECT state, frozen_reason FROM card WHERE card_no = :n", n=card.number)
    (noted,) = any_province.rows("SELECT data FROM evidence WHERE kind = 'city_host_contradicts'")
    assert any_province.hosted() == ["disputed"]
    assert tuple(known) == ("frozen", "city_host_contradicts")
    assert "load_loaded" in noted.data
    assert any_province.topup_state(order_id) == "paid"


def test_what_a_city_contradicts_goes_back_by_two_people_only(province: Province, card: Card) -> None:
    order_id, phone = province.begin(card)
    phone.step()
    card.element.reset()
    for load in province.host.loads.values():
        load.state = "loaded"
    contact = province.open(order_id, card.element)
    contact.hand_in(contact.run())  # the counter says that it never arrived, and the city is told to void it

    refused = province.post(f"/v1/topups/{order_id}/refund")
    province.clock.advance(weeks=5)
    province.built.runner.sweep()

    assert (province.hosted()[0], province.topup_state(order_id)) == ("disputed", "paid")
    assert problem(refused) == (409, "refund_needs_two_people")
    assert province.rows("SELECT id FROM refund") == []


def test_a_tac_for_a_load_that_its_card_has_disproved_is_a_contradiction(
    province: Province, card: Card
) -> None:
    """Two cards with one number: the one that took the money, and the one that says it did not."""
    order_id, phone = province.begin(card)
    phone.step()
    before = tunion(card.element).purse.state
    credited = phone.run()
    tunion(card.element).purse.state = before
    province.host.plan("void", Fault.DOWN)
    other_id, other = province.begin(card, 3000)
    other.step()

    phone.hand_in(credited)

    assert province.hosted()[0] == "disputed"
    assert (province.topup_state(order_id), province.topup_state(other_id)) == ("held", "paid")
    assert province.rows("SELECT frozen_reason FROM card") == [("tac_after_decision",)]


def test_a_host_that_denies_a_proven_load_freezes_the_card(province: Province, card: Card) -> None:
    order_id, phone = province.begin(card)
    phone.step()
    phone.run()
    province.open(order_id, card.element).finish()
    for load in province.host.loads.values():
        load.state = "void"

    province.built.runner.sweep()
    province.run_jobs()

    assert province.hosted() == ["disputed"]
    assert province.topup_state(order_id) == "loaded"


def test_a_tac_for_a_load_that_the_host_calls_void_is_no_proof(province: Province, card: Card) -> None:
    _, phone = province.begin(card)
    phone.step()
    report = phone.run()
    for load in province.host.loads.values():
        load.state = "void"

    asked = phone.hand_in(report)

    assert (asked.json or {})["state"] == "continue"
    assert province.attempts() == ["uncertain"]


# Deaths and races -------------------------------------------------------------------------------------------------


class Killed(BaseException):
    """The process ends here."""


def dying_at(verb: str, province: Province, *, after: bool) -> Callable[[], None]:
    """Let the process die before a question is sent, or when the host has carried it out; returns the revival."""
    host = province.host

    class Dying(InProcess):
        def send(self, request: Any) -> Any:
            if not request.path.endswith(verb):
                return super().send(request)
            if after:
                super().send(request)
            raise Killed

    province.wire.__class__ = Dying

    def revive() -> None:
        province.wire.__class__ = InProcess
        assert province.wire.host is host

    return revive


@pytest.mark.parametrize("after", [False, True])
def test_a_process_that_dies_between_question_and_answer_asks_what_is_known_first(
    province: Province, card: Card, *, after: bool
) -> None:
    _, phone = province.begin(card)
    revive = dying_at("authorise", province, after=after)
    report = phone.run()
    with pytest.raises(Killed):
        phone.hand_in(report)
    revive()

    assert province.hosted() == ["asked"]
    assert phone.hand_in(report).status_code == 200
    ending = phone.finish()

    assert (ending["state"], balance(card.element)) == ("done", 5000)
    assert province.host.heard.count("query") == 1
    assert (province.hosted(), len(province.host.loads)) == (["confirmed"], 1)


def test_a_process_that_dies_before_it_writes_the_question_down_believes_no_tac(
    province: Province, card: Card
) -> None:
    order_id, phone = province.begin(card)
    report = phone.run()
    with patch.object(hosted, "ask", side_effect=Killed), pytest.raises(Killed):
        phone.hand_in(report)
    card.element.reset()
    zeros = forging(card.element, "805A", bytes(8) + b"\x90\x00")  # for a counter that has no proof

    ending = province.open(order_id, card.element, reply=zeros).finish()

    assert (ending["state"], balance(card.element)) == ("done", 5000)
    assert province.hosted() == ["confirmed"]


def test_a_load_that_nobody_comes_back_for_is_withdrawn_after_a_while(province: Province, card: Card) -> None:
    order_id, phone = province.begin(card)
    revive = dying_at("authorise", province, after=True)
    with pytest.raises(Killed):
        phone.step()
    revive()

    province.built.runner.sweep()
    assert province.hosted() == ["asked"]
    province.clock.advance(seconds=31)
    province.built.runner.sweep()
    province.run_jobs()

    assert (province.hosted(), province.at_the_host()) == (["void"], ["void"])
    assert (province.attempts(), province.topup_state(order_id)) == (["dead"], "paid")


@pytest.mark.parametrize(
    ("prepare", "hosted"),
    [
        (lambda province: province.host.plan("query", Fault.LATE), "voiding"),
        (lambda province: province.host.plan("query", Fault.DOWN), "voiding"),
        (lambda province: _book(province, "loaded"), "voiding"),
        (lambda province: _book(province, "refused"), "voiding"),  # the dead one may still be heard
    ],
)
def test_what_the_host_knows_after_a_death_decides(
    province: Province, card: Card, prepare: Callable[[Province], None], hosted: str
) -> None:
    order_id, phone = province.begin(card)
    revive = dying_at("authorise", province, after=True)
    report = phone.run()
    with pytest.raises(Killed):
        phone.hand_in(report)
    revive()
    prepare(province)

    phone.hand_in(report)

    assert province.hosted() == [hosted]
    assert (province.attempts(), province.topup_state(order_id)) == (["dead"], "paid")


def _book(province: Province, state: str) -> None:
    for load in province.host.loads.values():
        load.state = state


def test_a_mac2_that_another_process_got_is_the_one_that_counts(province: Province, card: Card) -> None:
    """The same report reaches two processes; the first one's answer is lost while the second has its MAC2."""
    _, phone = province.begin(card)
    report = phone.run()
    other = province.another_process()
    answers = []

    def second(verb: str) -> None:
        if verb == "authorise":
            province.wire.meanwhile = lambda _verb: None
            answers.append(
                other.app.test_client().post(
                    f"/v1/sessions/{phone.session_id}/results",
                    json=report,
                    headers={"Authorization": f"Bearer {phone.token}"},
                )
            )
            province.host.plan("authorise", Fault.LATE)

    province.wire.meanwhile = second
    first = phone.hand_in(report)
    other.built.store.close()

    assert first.status_code == 200
    assert first.data == answers[0].data
    assert phone.finish()["state"] == "done"
    assert balance(card.element) == 5000


def test_a_load_that_another_process_asked_for_meanwhile_is_voided_where_the_first_was_not_heard(
    province: Province, card: Card
) -> None:
    """The same report reaches two processes; the second one has its answer and dies, the first one finds nobody."""
    order_id, phone = province.begin(card)
    report = phone.run()
    other = province.another_process()
    dying_at("authorise", other, after=True)

    def second(verb: str) -> None:
        if verb == "authorise":
            province.wire.meanwhile = lambda _verb: None
            with pytest.raises(Killed):
                other.app.test_client().post(
                    f"/v1/sessions/{phone.session_id}/results",
                    json=report,
                    headers={"Authorization": f"Bearer {phone.token}"},
                )
            province.host.plan("authorise", Fault.DOWN)

    province.wire.meanwhile = second
    refused = phone.hand_in(report)
    other.built.store.close()

    assert problem(refused) == (503, "city_host_unavailable")
    assert (province.hosted(), province.at_the_host()) == (["voiding"], ["authorised"])
    assert (province.attempts(), province.topup_state(order_id)) == (["dead"], "paid")

    province.run_jobs()

    assert (province.hosted(), province.at_the_host()) == (["void"], ["void"])
    assert phone.hand_in(report).status_code == 200
    assert (phone.finish()["state"], balance(card.element)) == ("done", 5000)


def test_a_mac2_that_comes_after_the_load_was_given_up_is_not_passed_on(
    province: Province, card: Card
) -> None:
    _, phone = province.begin(card)

    def give_up(verb: str) -> None:
        if verb == "authorise":
            province.wire.meanwhile = lambda _verb: None
            province.clock.advance(seconds=31)
            province.built.runner.sweep()

    province.wire.meanwhile = give_up
    refused = phone.step()

    assert problem(refused) == (503, "city_host_unknown")
    assert province.hosted() == ["voiding"]
    assert phone.finish()["state"] == "done"
    assert balance(card.element) == 5000
