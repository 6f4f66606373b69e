"""Any card at any city's terminal, also one that the platform has never seen and nobody here made."""

from __future__ import annotations

import pytest

from ota.sandbox.api import Refused
from ota.sandbox.discovery import card_opening
from ota.sandbox.element import CREDIT, Element, Instant
from ota.sandbox.errands import PhoneUser
from ota.sandbox.face import NotReadable
from ota.sandbox.factors import factors_of
from ota.sandbox.phone import Mishaps as PhoneMishaps
from ota.sandbox.phone import Phone, Vanished
from ota.sandbox.reader import Reader
from ota.sandbox.receipts import verify_receipt
from ota.sandbox.terminal import CardRefused, Mishaps
from ota.sandbox.test_masters import card_masters
from ota.sandbox.transport import CardGone
from tests.journeys.strange_card import StrangeCard
from tests.journeys.world import World, face_of, new_element

FOSHAN_CARD = "3104870700000123456"
AMOUNT = 5000


def strange(card_no: str = FOSHAN_CARD, **habits: object) -> StrangeCard:
    return StrangeCard(card_no, card_masters(factors_of(card_no)), **habits)  # type: ignore[arg-type]


@pytest.mark.parametrize("contact", [True, False])
@pytest.mark.parametrize("algorithm", ["3des", "sm4"])
def test_a_strange_card_is_loaded_in_another_city(world: World, algorithm: str, contact: bool) -> None:
    card = strange(algorithm=algorithm, balance=120, counter=7, contact=contact)

    loaded = world.terminal(card, "zhanjiang").load(AMOUNT)

    assert loaded.ok
    assert (loaded.card_no, loaded.exchanges) == (FOSHAN_CARD, 2)
    assert (loaded.balance_before_fen, loaded.balance_after_fen) == (120, 120 + AMOUNT)
    assert (card.balance, card.counter) == (120 + AMOUNT, 8)


@pytest.mark.parametrize("algorithm", ["3des", "sm4"])
def test_a_phone_loads_a_strange_card(world: World, algorithm: str) -> None:
    card = strange(algorithm=algorithm)
    user = PhoneUser(Reader(card), Phone(Reader(card), world.api()), world.wallet())

    loaded = user.top_up(AMOUNT)

    assert (loaded.ok, loaded.ending.exchanges, card.balance) == (True, 2, AMOUNT)


def test_a_card_that_the_platform_issued_is_loaded_at_a_terminal(world: World, card: Element) -> None:
    loaded = world.terminal(card, "foshan").load(AMOUNT)

    claims = verify_receipt(world.api(), loaded.to_json()["receipt"])
    assert loaded.ok
    assert (claims["card_no"], claims["amount_fen"]) == (loaded.card_no, AMOUNT)
    assert face_of(card).balance_fen == AMOUNT


def test_phones_and_terminals_share_one_counter(world: World, card: Element) -> None:
    world.user(card).top_up(100)
    at_terminal = world.terminal(card, "jiangmen").load(200)
    on_phone = world.user(card).top_up(300)

    assert (at_terminal.ok, on_phone.ok) == (True, True)
    assert face_of(card).balance_fen == 600
    assert world.wallet().card(at_terminal.card_no)["next_online_atc"] == 3


@pytest.mark.parametrize("mishaps", [Mishaps(drop_before_credit=True), Mishaps(lose_report=True)])
@pytest.mark.parametrize("city", ["foshan", "zhuhai"])
def test_any_terminal_settles_what_another_left_open(world: World, mishaps: Mishaps, city: str) -> None:
    card = strange()
    with pytest.raises(Vanished):
        world.terminal(card, "foshan", mishaps).load(AMOUNT)

    resumed = world.terminal(card, city).resume()

    assert resumed.ok
    assert (card.balance, card.counter) == (AMOUNT, 1)


@pytest.mark.parametrize("before", [True, False])
def test_a_card_torn_in_the_credit_is_loaded_once_in_the_end(world: World, before: bool) -> None:
    card = strange()
    (card.tear_before if before else card.tear_after).add(0x52)
    with pytest.raises(CardGone):
        world.terminal(card, "foshan").load(AMOUNT)

    resumed = world.terminal(card, "foshan").resume()

    assert resumed.ok
    assert (card.balance, card.counter) == (AMOUNT, 1)


@pytest.mark.parametrize("instant", list(Instant))
def test_a_virtual_card_torn_inside_the_credit_is_loaded_once_in_the_end(
    world: World, card: Element, instant: Instant
) -> None:
    card.faults.cut_inside(CREDIT, instant)
    with pytest.raises(CardGone):
        world.terminal(card, "foshan").load(AMOUNT)

    resumed = world.terminal(card, "chaozhou").resume()

    assert resumed.ok
    assert face_of(card).balance_fen == AMOUNT


def test_a_second_load_first_settles_the_one_in_doubt(world: World) -> None:
    card = strange()
    with pytest.raises(Vanished):
        world.terminal(card, "foshan", Mishaps(lose_report=True)).load(AMOUNT)

    second = world.terminal(card, "foshan").load(300)

    assert second.ok
    assert (card.balance, card.counter) == (AMOUNT + 300, 2)
    assert world.terminal(card, "foshan").resume().move["state"] == "nothing_to_resume"


def test_a_phones_load_in_doubt_is_settled_at_a_terminal(world: World, card: Element) -> None:
    with pytest.raises(Vanished):
        world.user(card, mishaps=PhoneMishaps(lose_report=2)).top_up(AMOUNT)

    resumed = world.terminal(card, "shantou").resume()

    assert resumed.ok
    assert face_of(card).balance_fen == AMOUNT
    assert world.wallet().unfinished_topups(face_of(card).card_no) == []


def test_nothing_to_resume_is_no_failure(world: World) -> None:
    resumed = world.terminal(strange(), "foshan").resume()

    assert (resumed.ok, resumed.to_json()["state"]) == (True, "nothing_to_resume")


@pytest.mark.parametrize(
    ("card_no", "amount", "code"),
    [
        ("3104100000000123456", AMOUNT, "card_outside_province"),
        (FOSHAN_CARD, 99, "amount_outside_limits"),
        (FOSHAN_CARD, 200_000, "amount_outside_limits"),
    ],
)
def test_what_cannot_be_loaded_is_refused_before_anything_is_promised(
    world: World, card_no: str, amount: int, code: str
) -> None:
    card = StrangeCard(card_no, card_masters(factors_of(FOSHAN_CARD)))

    with pytest.raises(Refused) as caught:
        world.terminal(card, "foshan").load(amount)

    assert caught.value.code == code
    assert (card.balance, card.counter) == (0, 0)


def test_a_card_with_other_keys_gets_no_mac2(world: World) -> None:
    card = StrangeCard(FOSHAN_CARD, card_masters([bytes(8)]))

    with pytest.raises(Refused) as caught:
        world.terminal(card, "foshan").load(AMOUNT)

    assert caught.value.code == "mac1_wrong"
    assert card.balance == 0


def test_a_purse_that_would_overflow_is_not_credited(world: World) -> None:
    card = strange(balance=99_000)

    loaded = world.terminal(card, "foshan").load(AMOUNT)

    view = loaded.to_json()
    assert (view["ok"], view["state"], view["money"]) == (False, "stopped", "with_platform")
    assert view["problem"]["code"] == "balance_over_ceiling"
    assert (card.balance, card.counter) == (99_000, 0)


def test_a_terminal_says_what_the_card_refused(world: World, card: Element) -> None:
    card.faults.answer(0x50, 0x6A81)

    with pytest.raises(CardRefused, match="6A81"):
        world.terminal(card, "foshan").load(AMOUNT)


def test_an_element_without_a_card_is_not_loaded(world: World) -> None:
    with pytest.raises(NotReadable, match="6A82"):
        world.terminal(new_element(), "foshan").load(AMOUNT)


def test_a_strange_card_belongs_to_whoever_has_it(world: World) -> None:
    card = strange()
    world.terminal(card, "foshan").load(AMOUNT)

    order = world.wallet().order_topup(FOSHAN_CARD, 100, card_opening())

    assert order["session"]["batch"]["state"] == "continue"
