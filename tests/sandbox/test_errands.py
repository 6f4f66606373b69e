"""What a person does with a phone; whole errands are in tests/journeys."""

from __future__ import annotations

from typing import Any

from ota.sandbox import credentials
from ota.sandbox.api import Api
from ota.sandbox.caller import Caller
from ota.sandbox.errands import PhoneUser
from ota.sandbox.outbox import Outbox, Pending
from ota.sandbox.phone import Phone
from ota.sandbox.reader import Reader
from ota.sandbox.wallet import WalletServer
from tests.sandbox.cards import ScriptedCard, TalkativeCard
from tests.sandbox.connections import ScriptedConnection

TOKEN = (200, {"access_token": "t", "expires_in": 900})
UNCERTAIN = {"state": "uncertain", "outcome": {"order_id": "top_1"}, "problem": {"code": "element_silent"}}


def user(
    card: ScriptedCard, *answers: Any, outbox: Outbox | None = None
) -> tuple[PhoneUser, ScriptedConnection]:
    connection = ScriptedConnection(*answers)
    api = Api(connection, pause=lambda _: None)
    wallet = WalletServer(Caller(api, credentials.wallet()))
    return PhoneUser(Reader(card), Phone(Reader(card), api, outbox), wallet), connection


def test_a_card_that_is_nothing_has_nothing_to_resume() -> None:
    somebody, connection = user(TalkativeCard({}))

    resumed = somebody.resume()

    assert resumed.ok
    assert resumed.to_json() == {
        "ok": True,
        "card_no": None,
        "balance_before_fen": None,
        "balance_after_fen": None,
        "order_id": None,
        "state": "nothing_to_resume",
        "exchanges": 0,
        "problem": None,
        "orders": [],
    }
    assert connection.requests == []


def test_a_kept_report_that_decides_nothing_leaves_the_order_to_its_next_session() -> None:
    outbox = Outbox()
    outbox.keep(Pending("top_1", "ses_1", "tok", {"seq": 2}))
    somebody, connection = user(TalkativeCard({}), (200, UNCERTAIN), outbox=outbox)

    resumed = somebody.resume()

    assert resumed.errands == ()
    assert [request[1] for request in connection.requests] == ["/v1/sessions/ses_1/results"]


def test_a_card_that_left_shows_nothing_afterwards() -> None:
    face = "6F0A8408A0000006320101059000"
    ef15 = "02775880FFFFFFFF0201031048707000001234562020010120301231" + "00009000"
    order = {"order_id": "top_1", "session": {"session_id": "ses_1", "token": "t", "batch": UNCERTAIN}}
    somebody, _ = user(ScriptedCard(face, ef15, "000000649000"), TOKEN, (201, order))

    errand = somebody.top_up(500)

    view = errand.to_json()
    assert (errand.ok, view["session_state"], view["balance_before_fen"], view["balance_after_fen"]) == (
        False,
        "uncertain",
        100,
        None,
    )
    assert view["problem"] == {"code": "element_silent"}
