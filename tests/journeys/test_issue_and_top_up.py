"""The whole way: an empty element becomes a card of a city, and money comes onto it."""

from __future__ import annotations

from pathlib import Path

import pytest

from ota.sandbox.element import Algorithm, Element
from ota.sandbox.receipts import verify_receipt
from tests.journeys.world import World, face_of, new_element

CITIES = sorted(path.stem for path in (Path(__file__).parents[2] / "config/cities").glob("*.toml"))
VARIANTS = [
    ("02", 0x15, 128, 3),
    ("02", 0x55, 128, 2),
    *(("03", i, bits, 2 if i & 0x10 else 3) for i in (0x00, 0x10, 0x60, 0x70) for bits in (128, 192, 256)),
]


@pytest.mark.parametrize("scp", ["02", "03"])
@pytest.mark.parametrize("city", CITIES)
def test_every_city_issues_a_card_and_loads_it(province: World, city: str, scp: str) -> None:
    element = new_element(scp)
    user = province.user(element)

    issued = user.get_card(city)
    loaded = user.top_up(5000)

    face = face_of(element)
    assert (issued.ok, issued.ending.exchanges, loaded.ok, loaded.ending.exchanges) == (True, 2, True, 2)
    assert (face.card_no, face.balance_fen) == (issued.card_no, 5000)
    assert province.wallet().card(face.card_no)["next_online_atc"] == 1


def test_all_21_cities_are_here() -> None:
    assert len(CITIES) == 21


@pytest.mark.parametrize(("scp", "i", "aes_bits", "exchanges"), VARIANTS)
def test_every_secure_channel_issues_in_as_few_exchanges_as_it_can(
    province: World, scp: str, i: int, aes_bits: int, exchanges: int
) -> None:
    issued = province.user(new_element(scp, i, aes_bits)).get_card("foshan")

    assert (issued.ok, issued.ending.exchanges) == (True, exchanges)


def test_a_paid_load_reaches_the_purse_once(world: World, card: Element) -> None:
    loaded = world.user(card).top_up(1234)

    order = world.wallet().order(loaded.order_id)
    assert face_of(card).balance_fen == 1234
    assert (order["state"], order["money"]) == ("loaded", "on_card")
    assert world.wallet().unfinished_topups(order["card_no"]) == []


def test_the_receipt_of_a_load_verifies_with_the_published_key(world: World, card: Element) -> None:
    loaded = world.user(card).top_up(1234)

    claims = verify_receipt(world.api(), loaded.ending.receipt or "")

    assert claims["order_id"] == loaded.order_id
    assert (claims["amount_fen"], claims["state"]) == (1234, "loaded")


def test_a_first_load_comes_in_the_session_that_issues_the_card(world: World, element: Element) -> None:
    issued = world.user(element).get_card("shenzhen", first_load_fen=3000)

    assert issued.ok
    assert issued.ending.exchanges == 3
    assert face_of(element).balance_fen == 3000
    assert world.wallet().unfinished_topups(issued.card_no or "") == []


@pytest.mark.parametrize("algorithm", list(Algorithm))
def test_the_card_chooses_the_algorithm_of_its_loads(province: World, algorithm: Algorithm) -> None:
    element = new_element(purse_algorithm=algorithm)
    user = province.user(element)
    user.get_card("zhuhai")

    loaded = user.top_up(800)

    assert loaded.ok
    assert face_of(element).balance_fen == 800


def test_ten_loads_follow_each_other(province: World) -> None:
    element = new_element()
    user = province.user(element)
    card_no = user.get_card("dongguan").card_no or ""

    loads = [user.top_up(100 * number) for number in range(1, 11)]

    assert all(each.ok for each in loads)
    assert face_of(element).balance_fen == 5500
    assert province.wallet().card(card_no)["next_online_atc"] == 10


def test_an_element_takes_one_card(world: World, card: Element) -> None:
    eligibility = world.wallet().eligibility("guangzhou", card.se_id)

    assert (eligibility["eligible"], eligibility["conflicts"]) == (False, ["card_on_element"])


def test_another_wallets_card_stays_unknown(world: World, card: Element) -> None:
    number = face_of(card).card_no

    orders = world.wallet("sandbox-wallet-2").unfinished_topups(number)

    assert orders == []
