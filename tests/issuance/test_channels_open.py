"""Every kind of secure channel an element may speak, and in how many exchanges a card is made through it."""

from __future__ import annotations

import pytest

from tests.elements import balance, blank, collected, described, instances
from tests.platform import MakePlatform, Platform, problem

COMPUTED = [("02", 0x55, 128)] + [("03", i, bits) for i in (0x10, 0x70) for bits in (128, 192, 256)]
DRAWN = [("02", 0x15, 128)] + [("03", i, bits) for i in (0x00, 0x60) for bits in (128, 192, 256)]
GUANGZHOU_CARD = [
    "A0000006320101055800022058100000",
    "5943542E555345525800022058100000",
    "5041592E41505059",
    "5041592E5449434C",
    "325041592E5359532E4444463031",
]


def exchanges_to_issue(platform: Platform, order_id: str, seed: tuple[str, int, int], *, ahead: bool) -> int:
    """How many requests it takes, the one that opens the session included."""
    element = blank(*seed)
    beforehand = collected(element) if ahead else []
    talk = platform.open(order_id, element, precollected=beforehand)
    ending = talk.finish()
    assert ending["state"] == "done", ending
    assert [aid.hex().upper() for aid in instances(element)] == GUANGZHOU_CARD
    assert balance(element) == 0
    return 1 + len(talk.reports)


@pytest.mark.parametrize(
    ("variant", "ahead", "exchanges"),
    [(variant, True, 2) for variant in COMPUTED]
    + [(variant, True, 3) for variant in DRAWN]
    + [(COMPUTED[0], False, 3), (COMPUTED[-1], False, 3)],
)
def test_a_card_is_issued_through_every_kind_of_channel(
    platform: Platform, variant: tuple[str, int, int], ahead: bool, exchanges: int
) -> None:
    order = platform.order_card(blank(*variant))

    taken = exchanges_to_issue(platform, order["order_id"], variant, ahead=ahead)

    assert taken == exchanges
    assert platform.issuance_state(order["order_id"]) == "active"
    assert platform.rows("SELECT state FROM card_number WHERE order_id IS NOT NULL") == [("bound",)]


@pytest.mark.parametrize(
    ("variant", "shipped", "level"),
    [
        (("02", 0x15, 128), "03", "01"),
        (("03", 0x00, 128), "03", "01"),
        (("03", 0x60, 192), "33", "01"),
        (("03", 0x60, 192), "33", "03"),
        (("03", 0x60, 192), "33", "11"),
        (("03", 0x60, 192), "33", "13"),
    ],
)
def test_a_card_is_issued_at_every_security_level(
    make_platform: MakePlatform, variant: tuple[str, int, int], shipped: str, level: str
) -> None:
    old = f'i = "{variant[1]:02X}"\nlevel = "{shipped}"'
    platform = make_platform({"security_domains/platform.toml": [(old, old.replace(shipped, level))]})
    order = platform.order_card(blank(*variant))

    assert exchanges_to_issue(platform, order["order_id"], variant, ahead=False) == 3


@pytest.mark.parametrize(
    ("least", "scp", "i"), [(0x33, "02", 0x15), (0x33, "03", 0x00), (0x33, "03", 0x10), (0x11, "02", 0x55)]
)
def test_a_product_refuses_a_channel_that_protects_too_little(
    make_platform: MakePlatform, least: int, scp: str, i: int
) -> None:
    platform = make_platform(
        {"cards/gd-compatible.toml": [("minimum_level = 1 ", f"minimum_level = {least} ")]}
    )
    element = blank(scp, i)
    order = platform.order_card(element)

    answer = platform.try_open(order["order_id"], element)

    assert problem(answer) == (422, "channel_too_weak")


def test_a_phone_that_states_a_weaker_variant_gets_no_weaker_channel(make_platform: MakePlatform) -> None:
    platform = make_platform({"cards/gd-compatible.toml": [("minimum_level = 1 ", "minimum_level = 51 ")]})
    element = blank("03", 0x70)
    order = platform.order_card(element)

    lying = platform.try_open(order["order_id"], element, se=described(element, i="10"))
    honest = platform.open(order["order_id"], element).finish()

    assert problem(lying) == (422, "channel_too_weak")
    assert honest["state"] == "done"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"sd_aid": "D156000158534401"}, "security_domain_unknown"),
        ({"key_version": "7F"}, "key_version_unknown"),
        ({"i": "20"}, "secure_channel_not_allowed"),
        ({"scp": "02"}, "secure_channel_not_allowed"),
        ({"se_id": "another"}, "element_differs"),
    ],
)
def test_an_element_that_cannot_be_opened_is_told_before_anything_is_sent(
    platform: Platform, change: dict[str, str], code: str
) -> None:
    element = blank()
    order = platform.order_card(element)

    answer = platform.try_open(order["order_id"], element, se=described(element, **change))

    assert problem(answer) == (422, code)
    assert platform.issuance_state(order["order_id"]) == "number_held"


def test_an_issuance_needs_to_know_the_element(platform: Platform) -> None:
    order = platform.order_card(blank())

    assert problem(platform.try_open(order["order_id"])) == (422, "element_missing")


def test_a_prediction_that_missed_costs_one_exchange(any_platform: Platform) -> None:
    element = blank("03", 0x70)
    order = any_platform.order_card(element)
    stale = collected(element)
    element.transmit(bytes.fromhex("00A4040008D156000158534400"))
    element.transmit(bytes.fromhex("80503000080102030405060708"))
    talk = any_platform.open(order["order_id"], element, precollected=stale)

    missed = talk.step()
    counted = any_platform.rows("SELECT failed FROM channel_opening")
    ending = talk.finish()

    assert (missed.json or {})["progress"]["step"] == "open_channel"
    assert counted == [(1,)]
    assert ending["state"] == "done"
    assert len(talk.reports) == 3
    assert any_platform.rows("SELECT failed FROM channel_opening") == [(0,)]


@pytest.mark.parametrize(
    "change",
    [
        {"data": ""},
        {"data": "C1"},
        {"data": "C10500000A"},
        {"data": "CF0300000A"},
        {"data": "C1020001"},
        {"sw": "6A88"},
        {"apdu": "80CA00E000"},
    ],
)
def test_a_counter_that_says_nothing_is_not_used_to_predict(
    platform: Platform, change: dict[str, str]
) -> None:
    element = blank("03", 0x70)
    order = platform.order_card(element)
    select, counter, derivation = collected(element)

    talk = platform.open(order["order_id"], element, precollected=[select, counter | change, derivation])

    assert talk.notes == ["SELECT security domain", "INITIALIZE UPDATE"]
    assert talk.finish()["state"] == "done"


def test_derivation_data_of_another_length_is_not_used_to_predict(platform: Platform) -> None:
    element = blank("03", 0x70)
    order = platform.order_card(element)
    select, counter, derivation = collected(element)
    short = derivation | {"data": "CF09" + derivation["data"][4:-2]}

    talk = platform.open(order["order_id"], element, precollected=[select, counter, short])

    assert len(talk.notes) == 2


def test_the_counter_may_be_stated_with_the_element(platform: Platform) -> None:
    element = blank("03", 0x70)
    order = platform.order_card(element)
    select, counter, derivation = collected(element)
    se = described(element, sequence=counter["data"][4:])

    talk = platform.open(order["order_id"], element, se=se, precollected=[select, derivation])

    assert talk.finish()["state"] == "done"
    assert len(talk.reports) == 1


@pytest.mark.parametrize(
    "variant", [("02", 0x15, 128), ("02", 0x55, 128), ("03", 0x60, 128), ("03", 0x70, 256)]
)
def test_a_narrow_channel_gets_short_commands_in_small_batches(
    platform: Platform, variant: tuple[str, int, int]
) -> None:
    element = blank(*variant)
    order = platform.order_card(element)
    caps = {"max_apdu": 128, "max_batch": 16}
    talk = platform.open(order["order_id"], element, caps=caps, precollected=collected(element))
    batches = []

    while talk.batch["state"] == "continue":
        batches.append(talk.batch["commands"])
        assert talk.step().status_code == 200

    data = [bytes.fromhex(command["apdu"])[4:5] for batch in batches for command in batch]
    assert talk.batch["state"] == "done", talk.batch
    assert max(len(batch) for batch in batches) <= 16
    assert max(length[0] for length in data if length) <= 128
    assert len(batches) >= 3


def test_any_process_continues_a_channel_in_the_middle_of_a_card(any_platform: Platform) -> None:
    element = blank("03", 0x60)
    order = any_platform.order_card(element)
    talk = any_platform.open(order["order_id"], element, caps={"max_batch": 16})
    other = any_platform.another_process()
    turns = 0

    while talk.batch["state"] == "continue":
        door = other if turns % 2 else any_platform
        continued = door.conversation({"token": talk.token, "batch": talk.batch}, element)
        assert continued.step().status_code == 200
        talk.batch = continued.batch
        turns += 1

    assert talk.batch["state"] == "done"
    other.built.store.close()
