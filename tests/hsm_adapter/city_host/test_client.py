from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from ota.card.keys import Algorithm
from ota.core.errors import OtaError
from ota.core.values import Mac4
from ota.hsm_adapter.city_host.client import CityHost, HostLoad, HostLoadState
from ota.hsm_adapter.city_host.errors import CityHostRefused, CityHostUnavailable, CityHostUnknown
from ota.hsm_adapter.city_host.signatures import Answer, Request
from ota.hsm_adapter.city_host.wire import NoAnswer, NothingSent
from ota.hsm_adapter.errors import Mac1Wrong, TacWrong
from tests.hsm_adapter.city_host.parties import CARD, STRANGERS, Host, Respond, echoing, refusing
from tests.hsm_adapter.keyring import a_load

LOAD = a_load(Algorithm.TDES)
MAC2 = Mac4(bytes.fromhex("1A2B3C4D"))
TAC = Mac4(bytes.fromhex("0011AAFF"))

Ask = Callable[[CityHost], object]
VERBS: dict[str, tuple[Ask, Respond]] = {
    "check": (lambda host: host.check_mac1(CARD, LOAD), echoing("", mac1="holds")),
    "authorise": (lambda host: host.authorise("att_1", CARD, LOAD), echoing("authorised", mac2="1a2b3c4d")),
    "confirm": (lambda host: host.confirm("att_1", CARD, TAC), echoing("loaded")),
    "void": (lambda host: host.void("att_1", CARD), echoing("void")),
    "query": (lambda host: host.query("att_1", CARD), echoing("loaded")),
}
each_verb = pytest.mark.parametrize(("ask", "respond"), VERBS.values(), ids=VERBS)


def test_a_load_is_authorised_in_the_words_of_the_protocol() -> None:
    host = Host(VERBS["authorise"][1])

    mac2 = host.client().authorise("att_1", CARD, LOAD)

    assert mac2 == MAC2
    assert host.asked == [
        (
            "/tsm/loads/authorise",
            {
                "load_id": "att_1",
                "card_no": CARD.digits,
                "amount_fen": 5000,
                "terminal_no": "581000000001",
                "transaction_type": 2,
                "host_time": "20260101120000",
                "init": {
                    "balance": 1000,
                    "online_atc": 7,
                    "key_version": 1,
                    "algorithm": 0,
                    "random": "A1B2C3D4",
                    "mac1": LOAD.answer.mac1.value.hex().upper(),
                },
            },
        )
    ]


def test_each_verb_has_its_own_path_and_fields() -> None:
    host = Host(echoing("", mac1="holds"))
    client = host.client()

    client.check_mac1(CARD, LOAD)
    host.respond = echoing("loaded")
    client.confirm("att_1", CARD, TAC)
    client.confirm("att_1", CARD, None)
    host.respond = echoing("void")
    client.void("att_1", CARD)

    assert [path for path, _ in host.asked] == [
        "/tsm/loads/check",
        "/tsm/loads/confirm",
        "/tsm/loads/confirm",
        "/tsm/loads/void",
    ]
    assert "load_id" not in host.asked[0][1]
    assert [body.get("tac") for _, body in host.asked] == [None, "0011AAFF", None, None]


@pytest.mark.parametrize(
    ("respond", "known"),
    [
        (echoing("authorised", mac2="1A2B3C4D"), HostLoad(HostLoadState.AUTHORISED, MAC2)),
        (echoing("unheard"), HostLoad(HostLoadState.UNHEARD)),
        (echoing("void"), HostLoad(HostLoadState.VOID)),
    ],
)
def test_a_query_tells_what_the_host_knows(respond: Respond, known: HostLoad) -> None:
    assert Host(respond).client().query("att_1", CARD) == known


@each_verb
@pytest.mark.parametrize(
    ("code", "error"),
    [("mac1_wrong", Mac1Wrong), ("tac_wrong", TacWrong), ("card_blocked", CityHostRefused)],
)
def test_a_signed_refusal_is_an_answer(ask: Ask, respond: Respond, code: str, error: type[OtaError]) -> None:
    host = Host(refusing(code))

    with pytest.raises(error):
        ask(host.client())

    assert respond is not host.respond


def test_a_refusal_tells_the_hosts_reason() -> None:
    with pytest.raises(CityHostRefused) as refusal:
        Host(refusing("card_blocked")).client().void("att_1", CARD)

    assert refusal.value.reason == "card_blocked"
    assert refusal.value.details == {"reason": "card_blocked"}


def changed(**fields: Any) -> Callable[[Respond], Respond]:
    def change(good: Respond) -> Respond:
        def respond(request: Request, asked: dict[str, Any]) -> tuple[int, object]:
            status, said = good(request, asked)
            assert isinstance(said, dict)
            return status, {**said, **fields}

        return respond

    return change


ODD: dict[str, Callable[[Respond], Respond]] = {
    "another card": changed(card_no="3104870712345678914"),
    "a failure of the host": lambda _: refusing("internal", 500),
    "a redirect": lambda _: refusing("moved", 302),
    "still busy": lambda _: refusing("busy", 409),
    "a code that is none": lambda _: refusing("No!", 422),
    "a list": lambda _: lambda _request, _asked: (200, []),
    "no JSON": lambda _: lambda _request, _asked: (200, b"{"),
    "JSON without end": lambda _: lambda _request, _asked: (200, b"[" * 60000),
}


@each_verb
@pytest.mark.parametrize("odd", ODD.values(), ids=ODD)
def test_an_answer_about_something_else_leaves_the_outcome_unknown(
    ask: Ask, respond: Respond, odd: Callable[[Respond], Respond]
) -> None:
    with pytest.raises(CityHostUnknown):
        ask(Host(odd(respond)).client())


@pytest.mark.parametrize(
    ("verb", "fields"),
    [
        ("check", {"mac1": "wrong"}),
        ("check", {"online_atc": 8}),
        ("authorise", {"load_id": "att_2"}),
        ("authorise", {"online_atc": 8}),
        ("authorise", {"state": "void"}),
        ("authorise", {"mac2": None}),
        ("authorise", {"mac2": "1A2B3C"}),
        ("confirm", {"load_id": "att_2"}),
        ("confirm", {"state": "void"}),
        ("void", {"state": "loaded"}),
        ("query", {"load_id": "att_2"}),
        ("query", {"state": "lost"}),
        ("query", {"state": "authorised"}),
    ],
)
def test_an_answer_that_does_not_repeat_the_question_counts_for_nothing(
    verb: str, fields: dict[str, Any]
) -> None:
    ask, respond = VERBS[verb]

    with pytest.raises(CityHostUnknown):
        ask(Host(changed(**fields)(respond)).client())


@each_verb
@pytest.mark.parametrize(
    "spoil",
    [
        lambda answer: replace(answer, headers={}),
        lambda answer: replace(answer, body=b"{"),
        lambda answer: replace(answer, status=201),
    ],
)
def test_an_answer_that_was_altered_leaves_the_outcome_unknown(
    ask: Ask, respond: Respond, spoil: Callable[[Answer], Answer]
) -> None:
    with pytest.raises(CityHostUnknown):
        ask(Host(respond, spoil=spoil).client())


@each_verb
def test_a_wrongly_signed_answer_leaves_the_outcome_unknown(ask: Ask, respond: Respond) -> None:
    with pytest.raises(CityHostUnknown):
        ask(Host(respond, key=STRANGERS).client())


@each_verb
def test_the_answer_to_another_question_leaves_the_outcome_unknown(ask: Ask, respond: Respond) -> None:
    host = Host(respond)
    given: list[Answer] = []

    def first_one(answer: Answer) -> Answer:
        given.append(answer)
        return given[0]

    host.spoil = first_one
    ask(host.client())

    with pytest.raises(CityHostUnknown):
        ask(host.client())


@each_verb
@pytest.mark.parametrize(
    ("failure", "error"),
    [(NothingSent("refused"), CityHostUnavailable), (NoAnswer("TimeoutError"), CityHostUnknown)],
)
def test_silence_is_told_apart_from_not_being_heard(
    ask: Ask, respond: Respond, failure: Exception, error: type[OtaError]
) -> None:
    def silent(_request: Request, _asked: dict[str, Any]) -> tuple[int, object]:
        raise failure

    with pytest.raises(error) as problem:
        ask(Host(silent).client())

    assert problem.value.may_retry
    assert respond is not silent


def test_no_card_number_reaches_the_log(caplog: pytest.LogCaptureFixture) -> None:
    client = Host(echoing("void", card_no="3104870712345678914")).client()

    with pytest.raises(CityHostUnknown):
        client.void("att_1", CARD)

    assert "void: unknown" in caplog.text
    assert CARD.digits not in caplog.text
    assert repr(client) == "CityHost(foshan)"
