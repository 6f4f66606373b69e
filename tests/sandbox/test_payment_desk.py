"""The wallet's server of the sandbox believes nobody but the platform, and pays nothing twice."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jwt
import pytest

from ota.hsm_adapter.signing import Es256Signer
from ota.sandbox import credentials
from ota.sandbox.callback_server import HungUp, Posted
from ota.sandbox.caller import AUDIENCE
from ota.sandbox.payment_desk import Mishap, PaymentDesk

TOLD = {
    "iss": AUDIENCE,
    "aud": "sandbox-wallet",
    "iat": 1,
    "refund_key": "ref_1-1",
    "channel": "sandbox",
    "trade_no": "trade",
    "amount_fen": 500,
    "currency": "CNY",
}
EVENT = {"iss": AUDIENCE, "aud": "sandbox-wallet", "iat": 1, "event_id": "evt_1", "kind": "topup.loaded"}


class Platform:
    """Signs as the platform does, and publishes its key."""

    def __init__(self, folder: Path) -> None:
        self.signer = Es256Signer.open(folder)
        self.desk = PaymentDesk(credentials.wallet(), self.signer.jwks)

    def post(self, path: str, claims: Mapping[str, Any], type_: str = "refund+jwt") -> tuple[int, bytes]:
        word = "event" if path == "/events" else "refund"
        return self.desk.take(Posted(path, {word: self.signer.sign(claims, type_=type_)}))

    def state(self, path: str, claims: Mapping[str, Any]) -> str:
        """The word of the wallet's answer."""
        answer = json.loads(self.post(path, claims)[1])["answer"]
        return str(jwt.decode(answer, options={"verify_signature": False})["state"])


@pytest.fixture
def platform(tmp_path: Path) -> Platform:
    return Platform(tmp_path)


def test_a_key_pays_once_and_a_trade_goes_back_once(platform: Platform) -> None:
    words = [
        platform.state("/refunds/query", TOLD),
        platform.state("/refunds", TOLD),
        platform.state("/refunds", TOLD),
        platform.state("/refunds/query", TOLD),
        platform.state("/refunds", TOLD | {"refund_key": "ref_1-2"}),
    ]

    assert words == ["unheard", "done", "done", "done", "refused"]
    assert platform.desk.paid_back_fen == {"trade": 500}


@pytest.mark.parametrize(
    ("claims", "type_"),
    [
        (TOLD | {"aud": "sandbox-wallet-2"}, "refund+jwt"),
        (TOLD | {"iss": "urn:other"}, "refund+jwt"),
        (TOLD, "event+jwt"),
    ],
)
def test_what_is_not_meant_for_it_is_refused(
    platform: Platform, claims: Mapping[str, Any], type_: str
) -> None:
    assert platform.post("/refunds", claims, type_) == (401, b"")
    assert platform.desk.paid_back_fen == {}


def test_what_somebody_else_signed_is_refused(platform: Platform, tmp_path: Path) -> None:
    forged = Es256Signer.open(tmp_path / "other").sign(TOLD, type_="refund+jwt")

    answers = [platform.desk.take(Posted("/refunds", {"refund": each})) for each in (forged, "x", None)]

    assert answers == [(401, b"")] * 3


def test_an_event_that_comes_again_is_known(platform: Platform) -> None:
    answers = [platform.post("/events", EVENT, "event+jwt") for _ in range(2)]

    assert answers == [(204, b"")] * 2
    assert (len(platform.desk.events), platform.desk.repeated) == (1, 1)


def test_an_event_after_a_later_one_of_its_card_is_seen(platform: Platform) -> None:
    for position in (1, 3, 2):
        event = EVENT | {"event_id": f"evt_{position}", "card_no": "31*", "card_position": position}
        platform.post("/events", event, "event+jwt")

    assert [event["event_id"] for event in platform.desk.late()] == ["evt_2"]


@pytest.mark.parametrize(("mishap", "paid"), [(Mishap.LOST, {}), (Mishap.ANSWER_LOST, {"trade": 500})])
def test_a_mishap_happens_once(platform: Platform, mishap: Mishap, paid: Mapping[str, int]) -> None:
    platform.desk.plan("/refunds", mishap)

    with pytest.raises(HungUp):
        platform.post("/refunds", TOLD)

    assert platform.desk.paid_back_fen == paid
    assert platform.state("/refunds", TOLD) == "done"


def test_a_broken_server_does_nothing(platform: Platform) -> None:
    platform.desk.plan("/events", Mishap.BROKEN)

    assert platform.post("/events", EVENT, "event+jwt")[0] == 500
    assert platform.desk.take(Posted("/elsewhere", {}))[0] == 404
    assert platform.desk.events == []
