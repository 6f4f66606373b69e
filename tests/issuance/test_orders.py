"""Orders of cards: one element, one number, one fee; asked twice, called off, refused."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any
from unittest.mock import patch

import pytest

from ota.core.errors import Unavailable
from ota.dialogue.service import Sessions
from tests.elements import blank, described, instances
from tests.platform import CONFIG, IN_STOCK, MakePlatform, Platform, number, problem

FREE_EDIT = ("issuance_fen = 0", "issuance_fen = 1000")
FEE = 1000


def order(platform: Platform, se_id: str = "element", city: str = "guangzhou", **more: Any) -> Any:
    keys = {name: more.pop(name) for name in ("by", "key") if name in more}
    return platform.post("/v1/issuances", {"city": city, "se_id": se_id} | more, **keys)


def numbers_by_state(platform: Platform, city: str = "5810") -> dict[str, int]:
    rows = platform.rows(
        "SELECT state, count(*) FROM card_number WHERE city = :city GROUP BY state", city=city
    )
    return {row[0]: row[1] for row in rows}


@pytest.mark.parametrize("city", ["guangzhou", "广州", "5810", " Guangzhou "])
def test_an_order_holds_the_lowest_number_of_its_city(any_platform: Platform, city: str) -> None:
    answer = order(any_platform, city=city)

    made = answer.json
    assert answer.status_code == 201
    assert made == {
        "order_id": made["order_id"],
        "state": "number_held",
        "city": "5810",
        "product": "gd-compatible",
        "card_no": number(0).digits,
        "applications": ["t-union", "lingnantong", "ppse"],
        "first_load_id": None,
        "next_step": "open_session",
        "session": None,
    }
    assert any_platform.get(f"/v1/issuances/{made['order_id']}").json == made


def test_an_order_with_its_element_gets_session_and_first_batch_at_once(platform: Platform) -> None:
    element = blank()
    made = order(platform, element.se_id, session={"se": described(element)}).json

    ending = platform.conversation(made["session"], element).finish()

    assert ending["outcome"]["state"] == "active"
    assert ending["outcome"]["order_id"] == made["order_id"]


def test_the_same_order_again_is_the_same_answer(any_platform: Platform) -> None:
    first, again = order(any_platform, key="k"), order(any_platform, key="k")

    assert again.data == first.data
    assert (first.headers.get("Idempotent-Replayed"), again.headers["Idempotent-Replayed"]) == (None, "true")
    assert numbers_by_state(any_platform)["held"] == 1


def test_another_order_under_the_same_key_is_refused(platform: Platform) -> None:
    order(platform, key="k")

    answer = order(platform, "another", key="k")

    assert problem(answer) == (422, "idempotency_key_reused")
    assert numbers_by_state(platform)["held"] == 1


def test_a_key_whose_session_was_refused_does_not_serve_another_order(platform: Platform) -> None:
    """The order was made, its session was not: under this key only the same order may come again."""
    element = blank()
    session = {"se": described(element)}
    with patch.object(Sessions, "open", side_effect=Unavailable):
        refused = order(platform, element.se_id, key="k", session=session)

    other_city = order(platform, element.se_id, "foshan", key="k")
    other_element = order(platform, "another", key="k")
    same = order(platform, element.se_id, key="k", session=session)

    assert problem(refused) == (503, "unavailable")
    assert problem(other_city) == (422, "idempotency_key_reused")
    assert problem(other_element) == (422, "idempotency_key_reused")
    assert same.status_code == 201
    assert numbers_by_state(platform)["held"] == 1
    assert "held" not in numbers_by_state(platform, "5880")


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"sd_aid": "D156000158534401"}, "security_domain_unknown"),
        ({"key_version": "7F"}, "key_version_unknown"),
        ({"i": "20"}, "secure_channel_not_allowed"),
        ({"se_id": "another"}, "element_differs"),
        (None, "element_missing"),
    ],
)
def test_an_order_whose_session_cannot_be_opened_is_not_made_and_takes_no_money(
    any_platform: Platform, change: dict[str, str] | None, code: str
) -> None:
    element = blank()
    paid: dict[str, Any] = {"first_load": {"amount_fen": 5000, "payment": any_platform.payment(5000)}}
    session = {} if change is None else {"se": described(element, **change)}

    refused = order(any_platform, element.se_id, key="k", session=session, **paid)
    between = any_platform.rows("SELECT count(*) FROM payment UNION ALL SELECT count(*) FROM issuance_order")
    made = order(any_platform, element.se_id, key="k", session={"se": described(element)}, **paid)

    assert problem(refused) == (422, code)
    assert between == [(0,), (0,)]
    assert made.status_code == 201
    assert any_platform.conversation(made.json["session"], element).finish()["outcome"]["state"] == "loaded"
    assert any_platform.rows("SELECT count(*) FROM payment") == [(1,)]


def test_an_order_for_a_channel_that_is_too_weak_is_not_made(make_platform: MakePlatform) -> None:
    platform = make_platform({"cards/gd-compatible.toml": [("minimum_level = 1 ", "minimum_level = 51 ")]})
    element = blank("02", 0x15)

    refused = order(platform, element.se_id, session={"se": described(element)})

    assert problem(refused) == (422, "channel_too_weak")
    assert platform.rows("SELECT id FROM issuance_order") == []


def test_an_order_for_an_element_that_is_left_alone_is_not_made(any_platform: Platform) -> None:
    element = blank()
    element.faults.answer(0x82, 0x6300, times=2)
    earlier = any_platform.order_card(element)["order_id"]
    any_platform.open(earlier, element).finish()
    any_platform.open(earlier, element).finish()
    any_platform.change("UPDATE issuance_order SET state = 'abandoned'")

    refused = order(any_platform, element.se_id, session={"se": described(element)})

    assert problem(refused) == (422, "channel_blocked")
    assert any_platform.rows("SELECT count(*) FROM issuance_order") == [(1,)]


@pytest.mark.parametrize("length", [200, 201, 255])
def test_a_key_may_be_as_long_as_the_contract_says(any_platform: Platform, length: int) -> None:
    key = "k" * length
    payment = any_platform.payment(5000)

    answer = order(any_platform, key=key, first_load={"amount_fen": 5000, "payment": payment})

    assert answer.status_code == 201, answer.text
    assert (
        order(any_platform, key=key, first_load={"amount_fen": 5000, "payment": payment}).data == answer.data
    )


def test_an_element_with_an_open_order_takes_no_other(any_platform: Platform) -> None:
    order(any_platform)

    refused = order(any_platform)
    asked = any_platform.post("/v1/eligibility", {"city": "foshan", "se_id": "element"})

    assert problem(refused) == (409, "element_taken")
    assert (asked.json or {})["eligible"] is False
    assert (asked.json or {})["conflicts"] == ["order_open"]
    assert numbers_by_state(any_platform)["held"] == 1


def test_no_wallet_takes_an_element_by_another_wallets_name_for_it(any_platform: Platform) -> None:
    order(any_platform, by="rival")

    mine = order(any_platform)

    assert mine.status_code == 201
    assert numbers_by_state(any_platform)["held"] == 2


def test_an_element_with_a_card_takes_no_other(platform: Platform) -> None:
    element = blank()
    platform.issue(element)

    refused = order(platform, element.se_id)
    asked = platform.post("/v1/eligibility", {"city": "guangzhou", "se_id": element.se_id})

    assert problem(refused) == (409, "element_taken")
    assert (asked.json or {})["conflicts"] == ["card_on_element"]


def test_of_orders_at_the_same_time_for_one_element_one_is_taken(any_platform: Platform) -> None:
    processes = [any_platform.another_process() for _ in range(4)]
    ready = [process.app.name for process in processes]

    with ThreadPoolExecutor(len(ready)) as pool:
        answers = list(pool.map(lambda process: order(process).status_code, processes))

    assert sorted(answers) == [201, 409, 409, 409]
    assert numbers_by_state(any_platform)["held"] == 1
    for process in processes:
        process.built.store.close()


def test_an_empty_element_of_an_open_city_is_eligible(platform: Platform) -> None:
    asked = platform.post("/v1/eligibility", {"city": "guangzhou", "se_id": "element"})

    assert asked.json == {
        "eligible": True,
        "conflicts": [],
        "city": "5810",
        "product": "gd-compatible",
        "fee_fen": 0,
        "limits": {"min_load_fen": 100, "max_load_fen": 100000, "balance_ceiling_fen": 100000},
    }


def test_a_city_without_numbers_says_so(any_platform: Platform) -> None:
    for element in range(IN_STOCK):
        assert order(any_platform, f"element-{element}").status_code == 201

    refused = order(any_platform, "one-more")
    asked = any_platform.post("/v1/eligibility", {"city": "guangzhou", "se_id": "one-more"})

    assert problem(refused) == (503, "numbers_exhausted")
    assert (refused.json or {})["next_action"] == "retry_same_key"
    assert (asked.json or {})["conflicts"] == ["numbers_exhausted"]


def test_a_city_that_is_not_open_issues_nothing(make_platform: MakePlatform) -> None:
    platform = make_platform({"cities/foshan.toml": [("live = true", "live = false")]})

    refused = order(platform, city="foshan")
    asked = platform.post("/v1/eligibility", {"city": "foshan", "se_id": "element"})
    offered = platform.get("/v1/products").json or {}

    assert problem(refused) == (422, "city_not_live")
    assert (asked.json or {})["conflicts"] == ["city_not_live"]
    assert len(offered["products"]) == 20
    assert "5880" not in {offer["city"] for offer in offered["products"]}


def test_every_city_is_offered_with_its_fee_and_limits(platform: Platform) -> None:
    offered = (platform.get("/v1/products").json or {})["products"]

    guangzhou = next(offer for offer in offered if offer["city"] == "5810")
    assert len(offered) == 21
    assert guangzhou == {
        "city": "5810",
        "city_name": {"en": "Guangzhou", "zh-CN": "广州"},
        "brand": "羊城通",
        "product": "gd-compatible",
        "product_name": {"en": "Guangdong compatible transit card", "zh-CN": "岭南通·交通联合卡"},
        "fee_fen": 0,
        "limits": {"min_load_fen": 100, "max_load_fen": 100000, "balance_ceiling_fen": 100000},
    }


@pytest.mark.parametrize("path", ["/v1/issuances", "/v1/eligibility"])
@pytest.mark.parametrize("city", ["atlantis", "9999", "guang zhou"])
def test_a_city_that_does_not_exist_is_told(platform: Platform, path: str, city: str) -> None:
    answer = platform.post(path, {"city": city, "se_id": "element"})

    assert problem(answer) == (404, "city_unknown")


# Called off --------------------------------------------------------------------------------------------------------


def test_an_order_called_off_before_any_contact_gives_its_number_back(any_platform: Platform) -> None:
    order_id = order(any_platform).json["order_id"]

    called_off = any_platform.post(f"/v1/issuances/{order_id}/cancel")
    again = any_platform.post(f"/v1/issuances/{order_id}/cancel")

    assert (called_off.json or {})["state"] == "abandoned"
    assert again.json == called_off.json
    assert numbers_by_state(any_platform) == {"free": IN_STOCK}
    assert order(any_platform).json["card_no"] == number(0).digits


def test_an_order_called_off_is_never_built(platform: Platform) -> None:
    element = blank()
    order_id = platform.order_card(element)["order_id"]
    platform.post(f"/v1/issuances/{order_id}/cancel")

    answer = platform.try_open(order_id, element)

    assert problem(answer) == (409, "not_in_this_state")
    assert instances(element) == []


def test_an_order_called_off_between_contacts_is_cleared_at_the_next_one(any_platform: Platform) -> None:
    element = blank()
    order_id = any_platform.order_card(element)["order_id"]
    talk = any_platform.open(order_id, element)
    talk.step()
    talk.run()

    called_off = any_platform.post(f"/v1/issuances/{order_id}/cancel")
    before = len(instances(element))
    ending = any_platform.open(order_id, element).finish()

    assert ((called_off.json or {})["state"], before) == ("rolling_back", 5)
    assert (ending["state"], ending["problem"]["code"]) == ("failed", "issuance_cancelled")
    assert ending["outcome"]["state"] == "abandoned"
    assert instances(element) == []
    assert numbers_by_state(any_platform)["retired"] == 1


def test_an_order_called_off_before_the_element_was_opened_ends_there(platform: Platform) -> None:
    element = blank()
    order_id = platform.order_card(element)["order_id"]
    talk = platform.open(order_id, element)

    called_off = platform.post(f"/v1/issuances/{order_id}/cancel")
    ending = talk.step().json or {}

    assert (called_off.json or {})["state"] == "abandoned"
    assert (ending["state"], ending["problem"]["code"]) == ("failed", "not_in_this_state")
    assert instances(element) == []
    assert numbers_by_state(platform) == {"free": IN_STOCK}


def test_an_order_called_off_under_way_is_cleared_in_the_same_session(platform: Platform) -> None:
    element = blank()
    order_id = platform.order_card(element)["order_id"]
    talk = platform.open(order_id, element)
    talk.step()

    platform.post(f"/v1/issuances/{order_id}/cancel")
    ending = talk.finish()

    assert ending["problem"]["code"] == "issuance_cancelled"
    assert platform.issuance_state(order_id) == "abandoned"
    assert instances(element) == []


def test_an_order_called_off_while_its_card_is_looked_at_is_cleared(platform: Platform) -> None:
    element = blank()
    order_id = platform.order_card(element)["order_id"]
    first = platform.open(order_id, element)
    first.step()
    first.run()
    looking = platform.open(order_id, element)

    platform.post(f"/v1/issuances/{order_id}/cancel")
    ending = looking.finish()

    assert ending["problem"]["code"] == "issuance_cancelled"
    assert instances(element) == []


def test_a_card_that_is_active_is_not_called_off(platform: Platform) -> None:
    element = blank()
    order_id = platform.order_card(element)["order_id"]
    platform.open(order_id, element).finish()

    answer = platform.post(f"/v1/issuances/{order_id}/cancel")
    opened = platform.try_open(order_id, element)

    assert problem(answer) == (409, "not_in_this_state")
    assert (opened.json or {})["batch"]["state"] == "done"
    assert len(instances(element)) == 5


def test_an_order_is_nobodys_but_its_wallets(platform: Platform) -> None:
    order_id = order(platform).json["order_id"]
    path = f"/v1/issuances/{order_id}"

    answers = (platform.get(path, by="rival"), platform.post(f"{path}/cancel", by="rival"))

    assert [problem(answer) for answer in answers] == [(404, "not_found")] * 2
    assert problem(platform.get("/v1/issuances/iss_0")) == (404, "not_found")


def test_open_orders_of_an_element_are_listed_to_their_wallet(any_platform: Platform) -> None:
    element = blank()
    order_id = any_platform.order_card(element)["order_id"]
    path = f"/v1/issuances?se_id={element.se_id}"

    mine, theirs = any_platform.get(path), any_platform.get(path, by="rival")
    any_platform.open(order_id, element).finish()

    assert [each["order_id"] for each in (mine.json or {})["orders"]] == [order_id]
    assert theirs.json == any_platform.get(path).json == {"orders": []}


@pytest.mark.parametrize("query", ["", "?se_id=", "?se_id=%00", "?se_id=%ED%A0%80", "?se_id=" + "x" * 500])
def test_a_list_of_orders_needs_an_elements_name(any_platform: Platform, query: str) -> None:
    answer = any_platform.get(f"/v1/issuances{query}")

    assert answer.status_code in (200, 400, 422), answer.text
    assert answer.status_code != 200 or answer.json == {"orders": []}


# Fees --------------------------------------------------------------------------------------------------------------


@pytest.fixture
def fee_city(make_platform: MakePlatform) -> Platform:
    """Guangzhou asks 10 yuan for a card."""
    return make_platform({"cities/guangzhou.toml": [FREE_EDIT]})


def test_a_fee_is_paid_with_the_order(fee_city: Platform) -> None:
    answer = order(fee_city, payment=fee_city.payment(FEE))

    assert answer.status_code == 201
    assert fee_city.rows("SELECT amount_fen FROM payment") == [(FEE,)]


@pytest.mark.parametrize(
    ("amount", "code"), [(None, "fee_not_paid"), (FEE - 1, "payment_differs"), (FEE + 1, "payment_differs")]
)
def test_without_the_fee_there_is_no_order_and_no_number(
    fee_city: Platform, amount: int | None, code: str
) -> None:
    payment = {} if amount is None else {"payment": fee_city.payment(amount)}

    answer = order(fee_city, **payment)

    assert problem(answer)[1] == code
    assert numbers_by_state(fee_city) == {"free": IN_STOCK}


def test_one_trade_pays_one_fee(fee_city: Platform) -> None:
    payment = fee_city.payment(FEE, "trade-1")
    order(fee_city, payment=payment)

    answer = order(fee_city, "another", payment=payment)

    assert problem(answer) == (409, "payment_used")
    assert numbers_by_state(fee_city)["held"] == 1


@pytest.mark.parametrize("signed", [True, False])
def test_money_that_no_city_asked_for_is_refused_before_anything_is_made(
    platform: Platform, signed: bool
) -> None:
    answer = order(platform, payment=platform.payment(FEE) if signed else "a.b.c")

    assert problem(answer) == (422, "fee_not_due")
    assert platform.rows("SELECT id FROM issuance_order") == []
    assert numbers_by_state(platform) == {"free": IN_STOCK}


# Products and cities as data ---------------------------------------------------------------------------------------


def test_a_product_with_two_purses_needs_no_code(make_platform: MakePlatform) -> None:
    product = "cards/gd-compatible.toml"
    platform = make_platform({product: [('sharing = "shared"', 'sharing = "own"   ')]})
    element = blank()

    card_no = platform.issue(element)
    ending = platform.top_up(card_no, element)

    element.transmit(bytes.fromhex("00A40400085041592E5449434C00"))
    assert ending["outcome"]["state"] == "loaded"
    assert element.transmit(bytes.fromhex("805C000204")).hex() == "000000009000"


def test_a_new_city_needs_no_code(make_platform: MakePlatform) -> None:
    text = (CONFIG / "cities" / "foshan.toml").read_text(encoding="utf-8")
    changes = (
        ('clearing_code = "5880"', 'clearing_code = "9880"'),
        ('division_code = "4406"', 'division_code = "4499"'),
        ('name_en = "Foshan"', 'name_en = "Newtown"'),
        ('name_zh = "佛山"', 'name_zh = "新城"'),
        ("31048707", "31048799"),
        ("02775880", "02779880"),
    )
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    platform = make_platform(more={"cities/newtown.toml": text})
    element = blank()

    card_no = platform.issue(element, "newtown")

    assert card_no.startswith("31048799")
    assert platform.top_up(card_no, element)["outcome"]["state"] == "loaded"
    assert len((platform.get("/v1/products").json or {})["products"]) == 22
