"""An element that refuses: each step has its code, leaves nothing half done, and a later contact ends it."""

from __future__ import annotations

from typing import Any

import pytest

from ota.issuance.openings import MAX_UNTOLD
from ota.sandbox.element.card_os import Element
from tests.elements import blank, collected, described, instances
from tests.phone import Conversation, Reply, forging, silent
from tests.platform import Platform, problem

CRYPTOGRAM = slice(-10, -2)


def started(platform: Platform, element: Element, reply: Reply | None = None) -> tuple[str, Conversation]:
    order_id = str(platform.order_card(element)["order_id"])
    return order_id, platform.open(order_id, element, reply=reply)


def number_state(platform: Platform) -> str:
    return str(platform.rows("SELECT state FROM card_number WHERE order_id IS NOT NULL")[0][0])


KEEPS_THE_ORDER = [
    # instruction, its status word, code of the ending, next action
    (0xA4, 0x6A82, "application_absent", "none"),
    (0xA4, 0x6999, "application_absent", "none"),
    (0xA4, 0x6283, "application_locked", "contact_service"),
    (0x50, 0x6A88, "key_version_unknown", "contact_service"),
    (0x50, 0x6985, "conditions_not_satisfied", "resume"),
    (0x50, 0x63C2, "pin_tries_left", "none"),
    (0x82, 0x6300, "host_cryptogram_refused", "contact_service"),
    (0x82, 0x63C2, "authentication_tries_left", "contact_service"),
    (0x82, 0x6982, "host_cryptogram_refused", "contact_service"),
    (0xE4, 0x6982, "channel_lost", "resume"),
    (0xE6, 0x6985, "conditions_not_satisfied", "resume"),
    (0xE6, 0x6988, "channel_lost", "resume"),
    (0xE2, 0x6985, "personalisation_incomplete", "resume"),
    (0xE2, 0x6982, "channel_lost", "resume"),
    (0xE2, 0x6F00, "element_error", "resume"),
    (0xB0, 0x6985, "conditions_not_satisfied", "resume"),
    (0x5C, 0x6985, "conditions_not_satisfied", "resume"),
]


@pytest.mark.parametrize(("ins", "sw", "code", "action"), KEEPS_THE_ORDER)
def test_after_a_passing_refusal_the_next_contact_makes_the_card_with_the_same_number(
    platform: Platform, ins: int, sw: int, code: str, action: str
) -> None:
    element = blank()
    order_id, talk = started(platform, element)
    element.faults.answer(ins, sw)

    ending = talk.finish()
    again = platform.open(order_id, element).finish()

    assert (ending["state"], ending["problem"]["code"]) == ("failed", code)
    assert ending["problem"]["next_action"] == action
    assert ending["problem"]["details"]["sw"] == f"{sw:04X}"
    assert again["outcome"]["state"] == "active"
    assert again["outcome"]["card_no"] == ending["outcome"]["card_no"]
    assert number_state(platform) == "bound"


GIVES_UP = [
    (0xE4, 0x6985, "still_in_use"),
    (0xE6, 0x6A84, "element_memory_full"),
    (0xE6, 0x6A80, "data_refused"),
    (0xE6, 0x6A88, "package_absent"),
    (0xE6, 0x1234, "unexpected_status"),
    (0xE2, 0x6A80, "data_refused"),
    (0xE2, 0x6A84, "element_memory_full"),
    (0xE2, 0x6581, "element_memory_failure"),
    (0xE2, 0x63C2, "pin_tries_left"),
    (0xE2, 0x6283, "application_locked"),
    (0xB0, 0x6A82, "file_absent"),
]


@pytest.mark.parametrize(("ins", "sw", "code"), GIVES_UP)
def test_after_a_final_refusal_the_element_is_cleared_in_the_same_session(
    platform: Platform, ins: int, sw: int, code: str
) -> None:
    element = blank("02", 0x15)  # without R-MAC, which warnings such as 63C2 would have to carry
    order_id, talk = started(platform, element)
    element.faults.answer(ins, sw)

    ending = talk.finish()

    assert (ending["state"], ending["problem"]["code"]) == ("failed", code)
    assert ending["outcome"]["state"] == platform.issuance_state(order_id) == "abandoned"
    assert ending["outcome"]["next_step"] == "order_again"
    assert instances(element) == []
    assert number_state(platform) == "retired"


def test_after_a_cleared_order_the_element_takes_another_card_under_another_number(
    any_platform: Platform,
) -> None:
    element = blank()
    spent, talk = started(any_platform, element)
    element.faults.answer(0xE6, 0x6A84)
    ending = talk.finish()

    card_no = any_platform.issue(element)

    assert card_no != ending["outcome"]["card_no"]
    assert problem(any_platform.try_open(spent, element)) == (409, "not_in_this_state")
    assert any_platform.rows("SELECT card_no FROM card") == [(card_no,)]


def test_an_element_that_is_really_full_is_left_as_it_was(platform: Platform) -> None:
    element = blank(memory=9000)
    order_id, talk = started(platform, element)

    ending = talk.finish()

    assert ending["problem"]["code"] == "element_memory_full"
    assert platform.issuance_state(order_id) == "abandoned"
    assert instances(element) == []


def test_a_clearing_that_is_refused_is_done_at_the_next_contact(platform: Platform) -> None:
    element = blank()
    order_id, talk = started(platform, element)
    element.faults.answer(0xE6, 0x6A84)
    talk.step()  # knock
    talk.step()  # build, refused
    talk.step()  # knock for the clearing
    element.faults.answer(0xE4, 0x6A80)

    refused = talk.finish()
    state_between = platform.issuance_state(order_id)
    ending = platform.open(order_id, element).finish()

    assert (refused["problem"]["code"], state_between) == ("data_refused", "rolling_back")
    assert (ending["problem"]["code"], ending["outcome"]["state"]) == ("issuance_cancelled", "abandoned")
    assert number_state(platform) == "retired"


@pytest.mark.parametrize("broken", ["knock", "delete"])
def test_a_clearing_that_breaks_is_done_at_the_next_contact(platform: Platform, broken: str) -> None:
    element = blank()
    order_id, talk = started(platform, element)
    element.faults.answer(0xE2, 0x6A80)
    talk.step()
    talk.step()
    if broken == "delete":
        talk.step()
    talk.reply = silent

    lost = talk.finish()
    ending = platform.open(order_id, element).finish()

    assert (lost["state"], lost["problem"]["code"]) == ("uncertain", "element_silent")
    assert ending["outcome"]["state"] == "abandoned"
    assert instances(element) == []


GARBAGE = [b"", bytes(5), bytes(27), bytes(33), bytes(200), b"\xff" * 29, b"\xff" * 32]


@pytest.mark.parametrize("garbage", GARBAGE, ids=lambda value: f"{len(value)} bytes")
def test_garbage_for_an_opening_is_never_a_mistake_of_the_platforms(
    platform: Platform, garbage: bytes
) -> None:
    element = blank()
    order_id, talk = started(platform, element, forging(element, "8050", garbage + b"\x90\x00"))

    answer = talk.step()

    assert answer.status_code < 500, answer.text
    code = (answer.json or {}).get("problem") or answer.json or {}
    assert code["code"] in {"malformed_answer", "secure_channel_mismatch", "card_cryptogram_wrong"}
    assert platform.issuance_state(order_id) == "number_held"
    assert platform.open(order_id, element).finish()["outcome"]["state"] == "active"


@pytest.mark.parametrize("garbage", GARBAGE, ids=lambda value: f"{len(value)} bytes")
def test_garbage_in_place_of_readings_gives_the_card_up(platform: Platform, garbage: bytes) -> None:
    element = blank()
    order_id, talk = started(platform, element, forging(element, "00B0", garbage + b"\x90\x00"))

    ending = talk.finish()

    assert ending["problem"]["code"] == "read_back_differs"
    assert platform.issuance_state(order_id) == "abandoned"
    assert instances(element) == []


PROOFS: list[tuple[str, bytes, str]] = [
    ("short", bytes(15) + b"\x90\x00", "malformed_answer"),
    ("forged", bytes(6) + b"\x01\x00" + bytes(8) + b"\x90\x00", "mac1_wrong"),
    ("algorithm", bytes(6) + b"\x01\x77" + bytes(8) + b"\x90\x00", "malformed_answer"),
    ("version", bytes(6) + b"\x77\x00" + bytes(8) + b"\x90\x00", "card_key_unknown"),
]


@pytest.mark.parametrize(("_name", "forged", "code"), PROOFS)
def test_a_card_that_cannot_prove_its_key_is_not_activated(
    platform: Platform, _name: str, forged: bytes, code: str
) -> None:
    element = blank()
    order_id, talk = started(platform, element, forging(element, "805000020B", forged))

    ending = talk.finish()

    assert ending["problem"]["code"] == code
    assert platform.issuance_state(order_id) == "abandoned"
    assert platform.rows("SELECT count(*) FROM card WHERE product IS NOT NULL")[0][0] == 0


def wrong_cryptogram(element: Element) -> Reply:
    """A phone on the line that spoils the card's cryptogram."""

    def reply(command: bytes) -> bytes:
        answer = bytearray(element.transmit(command))
        if command[:2] == b"\x80\x50" and len(answer) > 20:
            answer[CRYPTOGRAM] = bytes(8)
        return bytes(answer)

    return reply


def test_wrong_cryptograms_cost_the_element_no_try_since_nothing_is_sent_to_it(platform: Platform) -> None:
    element = blank()
    order_id, talk = started(platform, element, wrong_cryptogram(element))

    endings = [talk.finish()]
    endings += [platform.open(order_id, element, reply=wrong_cryptogram(element)).finish() for _ in range(2)]

    assert [ending["problem"]["code"] for ending in endings] == ["card_cryptogram_wrong"] * 3
    assert platform.open(order_id, element).finish()["state"] == "done"


def test_openings_that_no_report_tells_about_are_counted_when_they_leave(any_platform: Platform) -> None:
    element = blank()
    order_id = any_platform.order_card(element)["order_id"]
    for _ in range(MAX_UNTOLD):
        any_platform.open(
            order_id, element
        ).step()  # EXTERNAL AUTHENTICATE is in the answer, and that is the end

    blocked = any_platform.try_open(order_id, element)

    assert problem(blocked) == (422, "channel_blocked")
    assert any_platform.rows("SELECT failed, pending FROM channel_opening") == [(0, MAX_UNTOLD)]


def test_one_number_never_stands_on_two_chips(platform: Platform) -> None:
    first, second = blank(seed="one"), blank(seed="two")
    order_id = platform.order_card(first)["order_id"]
    talk = platform.open(order_id, first)
    talk.step()
    talk.run()  # the card is complete on the first chip, and nobody tells
    clone = platform.open(order_id, second, se=described(second) | {"se_id": first.se_id})

    refused = clone.step()

    assert problem(refused) == (422, "element_differs")
    assert instances(second) == []


def test_the_element_itself_refusing_twice_blocks_the_channel_too(platform: Platform) -> None:
    element = blank()
    element.faults.answer(0x82, 0x6300, times=2)
    order_id, talk = started(platform, element)
    talk.finish()
    platform.open(order_id, element).finish()

    assert problem(platform.try_open(order_id, element)) == (422, "channel_blocked")


def test_an_opening_that_works_clears_the_count(platform: Platform) -> None:
    element = blank()
    element.faults.answer(0x82, 0x6300)
    order_id, talk = started(platform, element)
    talk.finish()

    platform.open(order_id, element).finish()

    assert platform.rows("SELECT failed FROM channel_opening") == [(0,)]


def test_a_predicted_opening_that_the_element_refuses_counts(platform: Platform) -> None:
    element = blank("03", 0x70)
    order_id = platform.order_card(element)["order_id"]
    talk = platform.open(order_id, element, precollected=collected(element))
    element.faults.answer(0x82, 0x6300)

    ending = talk.finish()

    assert ending["problem"]["code"] == "host_cryptogram_refused"
    assert platform.rows("SELECT failed FROM channel_opening") == [(1,)]


@pytest.mark.parametrize(
    ("at", "code"), [(slice(-10, -2), "card_cryptogram_wrong"), (slice(10, 11), "secure_channel_mismatch")]
)
def test_a_predicted_opening_is_held_against_what_the_card_really_says(
    platform: Platform, at: slice, code: str
) -> None:
    element = blank("03", 0x70)
    order_id = platform.order_card(element)["order_id"]

    def reply(command: bytes) -> bytes:
        answer = bytearray(element.transmit(command))
        if command[:2] == b"\x80\x50" and len(answer) > 20:
            answer[at] = bytes(len(answer[at]))
        return bytes(answer)

    talk = platform.open(order_id, element, reply=reply, precollected=collected(element))
    ending = talk.finish()
    talk = platform.open(order_id, element)

    assert (ending["state"], ending["problem"]["code"]) == ("failed", code)
    assert talk.finish()["outcome"]["state"] == "active"


def tampering(element: Element, nth: int, change: Any) -> Reply:
    """Changes the card's answer to the n-th command that went through the channel."""
    seen = 0

    def reply(command: bytes) -> bytes:
        nonlocal seen
        answer = element.transmit(command)
        if command[0] & 0x04 and command[1] != 0x82:
            seen += 1
            if seen == nth:
                return bytes(change(answer))
        return answer

    return reply


TAMPERINGS = {
    "a flipped bit": lambda answer: answer[:-3] + bytes((answer[-3] ^ 1,)) + answer[-2:],
    "no MAC at all": lambda answer: answer[-2:],
    "half a MAC": lambda answer: answer[4:],
    "more data": lambda answer: bytes(16) + answer,
    "another success": lambda answer: (
        answer[:-2] + b"\x90\x00" if answer[-2:] != b"\x90\x00" else b"\x90\x00"
    ),
}


@pytest.mark.parametrize("nth", [6, 18])
@pytest.mark.parametrize("change", TAMPERINGS.values(), ids=TAMPERINGS.keys())
def test_an_answer_altered_on_its_way_is_not_believed(platform: Platform, nth: int, change: Any) -> None:
    element = blank("03", 0x60)
    order_id, talk = started(platform, element, tampering(element, nth, change))

    ending = talk.finish()
    after = platform.open(order_id, element).finish()

    assert (ending["state"], ending["problem"]["code"]) == ("uncertain", "response_mac_wrong")
    assert platform.rows("SELECT count(*) FROM card")[0][0] == 1
    assert after["outcome"]["state"] == "active"


def test_an_answer_altered_while_clearing_is_not_believed(platform: Platform) -> None:
    element = blank("03", 0x60)
    order_id, talk = started(platform, element)
    element.faults.answer(0xE2, 0x6A80)
    talk.step()
    talk.step()
    talk.reply = tampering(element, 2, TAMPERINGS["a flipped bit"])

    ending = talk.finish()

    assert (ending["state"], ending["problem"]["code"]) == ("uncertain", "response_mac_wrong")
    assert platform.issuance_state(order_id) == "rolling_back"
    assert platform.open(order_id, element).finish()["outcome"]["state"] == "abandoned"


def test_a_clearing_that_is_refused_again_and_again_does_not_block_the_element(
    any_platform: Platform,
) -> None:
    """A card that is in use is not deleted; the security domain was opened each time."""
    element = blank()
    order_id, talk = started(any_platform, element)
    element.faults.answer(0xE6, 0x6A84)
    for _ in range(3):
        talk.step()
    refusing = forging(element, "84E4", b"\x69\x85")
    talk.reply = refusing
    talk.finish()
    for _ in range(MAX_UNTOLD):
        any_platform.open(order_id, element, reply=refusing).finish()

    ending = any_platform.open(order_id, element).finish()

    assert ending["outcome"]["state"] == "abandoned"
    assert any_platform.rows("SELECT failed, pending FROM channel_opening") == [(0, 0)]


def altering(element: Element) -> Reply:
    """Alters the first answer that has a MAC: five deletions of what is not there have none."""
    return tampering(element, 6, TAMPERINGS["a flipped bit"])


def test_altered_answers_to_a_clearing_do_not_block_the_element(platform: Platform) -> None:
    """The security domain was opened; what came after it is not believed."""
    element = blank("03", 0x60)
    order_id, talk = started(platform, element)
    element.faults.answer(0xE2, 0x6A80)
    talk.step()
    talk.step()
    talk.reply = altering(element)
    talk.finish()
    for _ in range(MAX_UNTOLD):
        platform.open(order_id, element, reply=altering(element)).finish()

    ending = platform.open(order_id, element).finish()

    assert ending["outcome"]["state"] == "abandoned"


def test_altered_answers_to_a_build_do_not_block_the_element(platform: Platform) -> None:
    element = blank("03", 0x60)
    order_id = str(platform.order_card(element)["order_id"])
    for _ in range(MAX_UNTOLD):
        element.faults.answer(0xE2, 0x6985)  # not complete, or the next contact would find the card
        platform.open(order_id, element, reply=altering(element)).finish()

    ending = platform.open(order_id, element).finish()

    assert ending["outcome"]["state"] == "active"
