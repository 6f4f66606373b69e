"""A city's own platform asks about its own cards: signed messages in, signed answers out, each taken once."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection

from ota.card.keys import KeyRole
from ota.city_hosts import grants
from ota.city_hosts.grants import Grant
from ota.city_hosts.states import GrantState
from ota.core.values import CardTime
from ota.hsm_adapter.city_host.message_keys import MessageKey
from ota.hsm_adapter.keys import CARD_ALGORITHMS, KeyRef, KeyState
from ota.hsm_adapter.software import KeyStore
from ota.sandbox.city_host_messages import Signature, check_said
from tests.city_hosts.installation import PLATFORM_KEY, Asking, Card, initialised, told
from tests.elements import balance
from tests.platform import number, problem

TERMINAL = "588000000007"
Body = dict[str, Any]


def question(card: Card, amount: int = 5000) -> Body:
    """What the city's terminal has of the card after INITIALIZE FOR LOAD."""
    _, data = initialised(card.element, amount, TERMINAL)
    return {
        "card_no": card.number,
        "amount_fen": amount,
        "terminal_no": TERMINAL,
        "transaction_type": 2,
        "init": told(data),
    }


def wanted(foshan: Asking, card: Card, load_id: str = "fs-1", amount: int = 5000) -> Body:
    now = CardTime.at(foshan.platform.clock.now())
    return {**question(card, amount), "load_id": load_id, "host_time": now.digits}


def credit(card: Card, asked: Body, answer: Any) -> bytes:
    """CREDIT FOR LOAD with the MAC2 of the answer; the TAC."""
    apdu = bytes.fromhex("805200000B" + asked["host_time"] + answer.json["mac2"] + "04")
    done = card.element.transmit(apdu)
    assert done[-2:] == b"\x90\x00"
    return done[:4]


def name(asked: Body) -> Body:
    return {"load_id": asked["load_id"], "card_no": asked["card_no"]}


def test_a_city_loads_its_own_card_with_the_keys_that_the_province_holds(foshan: Asking, card: Card) -> None:
    asked = wanted(foshan, card)

    checked = foshan.ask("check", {key: asked[key] for key in asked if key not in ("load_id", "host_time")})
    granted = foshan.ask("authorise", asked)
    tac = credit(card, asked, granted)
    confirmed = foshan.ask("confirm", {**name(asked), "tac": tac.hex()})

    assert checked.json == {"card_no": card.number, "online_atc": 0, "mac1": "holds"}
    assert (granted.json or {})["state"] == "authorised"
    assert confirmed.json == {**name(asked), "state": "loaded"}
    assert balance(card.element) == 5000
    (known,) = foshan.platform.rows("SELECT last_atc FROM card WHERE card_no = :n", n=card.number)
    assert known.last_atc == 1


def test_answers_and_problems_are_signed_for_their_question(foshan: Asking, card: Card) -> None:
    point = MessageKey.open(foshan.platform.settings.data, PLATFORM_KEY).public.point
    posts = [
        foshan.post("authorise", wanted(foshan, card)),
        foshan.post("confirm", {"load_id": "fs-9", "card_no": card.number, "tac": "00000000"}),
        foshan.post("void", {"load_id": "fs-9"}),
    ]

    answers = [foshan.send(post) for post in posts]

    assert [answer.status_code for answer in answers] == [200, 404, 400]
    for post, answer in zip(posts, answers, strict=True):
        check_said(foshan.said(answer), post, {PLATFORM_KEY: point})


def test_the_same_load_asked_again_gets_the_same_mac2(foshan: Asking, card: Card) -> None:
    asked = wanted(foshan, card)

    first, second = foshan.ask("authorise", asked), foshan.ask("authorise", asked)
    known = foshan.ask("query", name(asked))

    assert first.data == second.data
    assert known.json == {**name(asked), "state": "authorised", "mac2": (first.json or {})["mac2"]}


def test_a_message_is_taken_once(foshan: Asking, card: Card) -> None:
    post = foshan.post("authorise", wanted(foshan, card))

    first, replayed = foshan.send(post), foshan.send(post)

    assert first.status_code == 200
    assert problem(replayed) == (401, "token_replayed")


@pytest.mark.parametrize("key_id", ["foshan-1", "nobody-1"])
def test_a_strangers_message_is_refused_and_not_answered_in_our_name(
    foshan: Asking, card: Card, key_id: str
) -> None:
    stranger = Asking(foshan.platform, Signature.make(key_id))

    refused = stranger.ask("void", {"load_id": "fs-1", "card_no": card.number})

    assert problem(refused) == (401, "message_signature_wrong")
    assert "Signature" not in refused.headers
    assert foshan.platform.rows("SELECT * FROM city_grant") == []


def test_a_token_opens_no_route_of_cities(foshan: Asking, card: Card) -> None:
    refused = foshan.platform.post("/v1/cities/loads/void", {"load_id": "x", "card_no": card.number})

    assert problem(refused) == (401, "message_signature_wrong")


def test_what_the_signature_does_not_cover_may_not_be_there(foshan: Asking) -> None:
    post = foshan.post("query", {"load_id": "fs-1", "card_no": number(0, "foshan").digits})
    client = foshan.platform.app.test_client()

    refused = client.post(f"{post.path}?x=1", data=post.body, headers=dict(post.headers))

    assert problem(refused) == (400, "query_not_allowed")


def test_another_citys_card_is_not_the_citys_to_load(foshan: Asking) -> None:
    strangers = [number(0, "zhuhai").digits, "3104100012345678906"]

    answers = [foshan.ask("query", {"load_id": "fs-1", "card_no": card_no}) for card_no in strangers]

    assert [problem(answer) for answer in answers] == [(403, "not_your_card")] * 2


def test_a_wrong_mac1_is_granted_nothing(foshan: Asking, card: Card) -> None:
    asked = wanted(foshan, card)
    asked["init"]["mac1"] = "00000000"

    assert problem(foshan.ask("authorise", asked)) == (422, "mac1_wrong")
    assert (foshan.ask("query", name(asked)).json or {})["state"] == "unheard"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"amount_fen": 99}, (422, "amount_outside_limits")),
        ({"host_time": "20200101000000"}, (422, "invalid_value")),
        ({"host_time": "2020010100000x"}, (400, "invalid_fields")),
        ({"transaction_type": 6}, (400, "invalid_fields")),
        ({"terminal_no": "58"}, (400, "invalid_fields")),
        ({"more": 1}, (400, "invalid_fields")),
    ],
)
def test_a_load_that_may_not_be_is_refused(
    foshan: Asking, card: Card, change: Body, code: tuple[int, str]
) -> None:
    assert problem(foshan.ask("authorise", wanted(foshan, card) | change)) == code
    assert foshan.platform.rows("SELECT * FROM city_grant") == []


def test_a_load_id_stands_for_one_load(foshan: Asking, card: Card) -> None:
    asked = wanted(foshan, card)
    foshan.ask("authorise", asked)

    other_amount = foshan.ask("authorise", wanted(foshan, card, amount=6000))
    other_card = {"load_id": "fs-1", "card_no": number(299, "foshan").digits}
    others = [foshan.ask(verb, other_card) for verb in ("void", "query")]

    assert problem(other_amount) == (400, "load_id_reused")
    assert [problem(answer) for answer in others] == [(400, "load_id_reused")] * 2


def test_a_card_has_one_open_load(foshan: Asking, card: Card) -> None:
    foshan.ask("authorise", wanted(foshan, card, "fs-1"))

    second = foshan.ask("authorise", wanted(foshan, card, "fs-2"))
    foshan.ask("void", {"load_id": "fs-1", "card_no": card.number})
    third = foshan.ask("authorise", wanted(foshan, card, "fs-3"))

    assert problem(second) == (409, "card_has_open_load")
    assert third.status_code == 200


def test_a_card_that_a_phone_is_loading_is_not_loaded_by_its_city(foshan: Asking, card: Card) -> None:
    order = foshan.platform.order_topup(card.number)
    phone = foshan.platform.open(order["order_id"], card.element)
    phone.step()

    refused = foshan.ask("authorise", wanted(foshan, card))

    assert problem(refused) == (409, "card_has_open_load")


def test_a_card_that_is_out_of_service_is_not_loaded(foshan: Asking, card: Card) -> None:
    foshan.ask("void", {"load_id": "fs-0", "card_no": card.number})
    foshan.platform.change("UPDATE card SET state = 'frozen' WHERE card_no = :n", n=card.number)

    assert problem(foshan.ask("authorise", wanted(foshan, card))) == (409, "card_frozen")


def test_a_void_before_the_load_was_heard_of_keeps_it_from_happening(foshan: Asking, card: Card) -> None:
    asked = wanted(foshan, card)

    voided = foshan.ask("void", name(asked))
    again = foshan.ask("void", name(asked))
    late = foshan.ask("authorise", asked)
    confirmed = foshan.ask("confirm", {**name(asked), "tac": "00000000"})

    assert voided.json == again.json == {**name(asked), "state": "void"}
    assert problem(late) == problem(confirmed) == (409, "load_void")


def test_a_loaded_load_is_not_void_any_more(foshan: Asking, card: Card) -> None:
    asked = wanted(foshan, card)
    tac = credit(card, asked, foshan.ask("authorise", asked))
    proof = {**name(asked), "tac": tac.hex()}

    wrong = foshan.ask("confirm", {**name(asked), "tac": "00000000"})
    none = foshan.ask("confirm", {**name(asked), "tac": None})
    first, again = foshan.ask("confirm", proof), foshan.ask("confirm", proof)
    voided = foshan.ask("void", name(asked))
    late = foshan.ask("authorise", asked)

    assert problem(wrong) == (422, "tac_wrong")
    assert problem(none) == (400, "tac_needed")
    assert first.json == again.json
    assert problem(voided) == problem(late) == (409, "load_loaded")
    assert (foshan.ask("query", name(asked)).json or {})["state"] == "loaded"


def test_a_void_load_is_not_confirmed_by_a_tac_that_was_under_way(foshan: Asking, card: Card) -> None:
    asked = wanted(foshan, card)
    foshan.ask("authorise", asked)
    foshan.ask("void", name(asked))

    assert problem(foshan.ask("confirm", {**name(asked), "tac": "00000000"})) == (409, "load_void")


def test_a_counter_that_is_known_to_be_further_is_not_set_back(foshan: Asking, card: Card) -> None:
    asked = wanted(foshan, card)
    tac = credit(card, asked, foshan.ask("authorise", asked))
    foshan.platform.change("UPDATE card SET last_atc = 9 WHERE card_no = :n", n=card.number)

    foshan.ask("confirm", {**name(asked), "tac": tac.hex()})

    (known,) = foshan.platform.rows("SELECT last_atc FROM card WHERE card_no = :n", n=card.number)
    assert known.last_atc == 9


def test_two_loads_of_one_card_at_once_are_one_grant(foshan: Asking, card: Card) -> None:
    asked = [wanted(foshan, card, f"fs-{i}") for i in range(4)]

    with ThreadPoolExecutor(4) as threads:
        answers = list(threads.map(lambda each: foshan.ask("authorise", each), asked))

    assert sorted(answer.status_code for answer in answers) == [200, 409, 409, 409]


def test_a_self_issuing_city_is_not_lent_keys(province: Any, card: Card) -> None:
    signature = province.host._signature
    asking = Asking(province, signature)

    assert problem(asking.ask("query", {"load_id": "x", "card_no": card.number})) == (403, "not_your_card")


def test_a_body_that_is_no_json_is_refused_in_a_signed_answer(foshan: Asking) -> None:
    now = foshan.platform.clock.now().timestamp()
    post = foshan.signature.post("/v1/cities/loads/void", b"{", now)

    answer = foshan.send(post)

    assert problem(answer) == (400, "malformed_json")
    assert json.loads(answer.data)["code"] == "malformed_json"
    assert "Signature" in answer.headers


def test_the_trail_of_keys_names_the_city_and_its_load(foshan: Asking, card: Card) -> None:
    foshan.ask("authorise", wanted(foshan, card))

    foshan.platform.built.key_uses.flush()

    (entry,) = foshan.platform.rows(
        "SELECT data FROM audit WHERE stream = 'keys' ORDER BY position DESC LIMIT 1"
    )
    told_uses = json.loads(entry.data)["uses"]
    assert {
        "who": "city:foshan",
        "order": "fs-1",
        "operation": "authorise_load",
        "key": "province/load/1/3DES",
        "outcome": "ok",
        "count": 1,
    } in told_uses
    assert card.number[8:] not in entry.data


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
FIELDS = st.sampled_from(
    ["load_id", "card_no", "amount_fen", "terminal_no", "transaction_type", "host_time", "tac", "init"]
)


@settings(max_examples=120, suppress_health_check=list(HealthCheck), phases=[Phase.generate])
@given(
    verb=st.sampled_from(["check", "authorise", "confirm", "void", "query"]),
    changes=st.dictionaries(FIELDS, JSON, max_size=4),
    dropped=st.sets(FIELDS, max_size=3),
)
def test_whatever_a_city_signs_is_answered_without_a_server_error(
    foshan: Asking, card: Card, verb: str, changes: Body, dropped: set[str]
) -> None:
    fitting = (
        wanted(foshan, card)
        if verb in ("check", "authorise")
        else {"load_id": "fs-1", "card_no": card.number}
    )
    body = {name: value for name, value in (fitting | changes).items() if name not in dropped}

    answer = foshan.ask(verb, body)

    assert answer.status_code < 500
    assert "Signature" in answer.headers


def test_a_verify_only_key_grants_nothing(foshan: Asking, card: Card) -> None:
    store = KeyStore(foshan.platform.settings.data, environment="sandbox")
    for algorithm in CARD_ALGORITHMS:
        store.change_state(KeyRef(KeyRole.LOAD, "province", 1, algorithm), KeyState.VERIFY_ONLY)
    foshan.platform.built.checks["hsm"]()

    refused = foshan.ask("authorise", wanted(foshan, card))

    assert problem(refused) == (422, "key_not_usable")
    assert foshan.platform.rows("SELECT * FROM city_grant") == []


@pytest.mark.parametrize("verb", ["authorise", "void"])
def test_a_load_id_for_two_cards_at_once_stands_for_the_first(
    foshan: Asking, card: Card, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    asked = wanted(foshan, card) if verb == "authorise" else {"load_id": "fs-1", "card_no": card.number}
    find, other = grants.find, number(299, "foshan")

    def find_too_early(tx: Connection, city: str, load_id: str) -> Grant | None:
        monkeypatch.setattr(grants, "find", find)
        found = find(tx, city, load_id)
        grants.insert(tx, Grant(city, load_id, other, GrantState.VOID, None), foshan.platform.clock.now())
        return found

    monkeypatch.setattr(grants, "find", find_too_early)
    answer = foshan.ask(verb, asked)

    assert problem(answer) == (400, "load_id_reused")
