"""The leg to a wallet's server over real HTTP: signed both ways, and anything else tells nothing."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
import pytest

from ota.core.principal import CallerKind
from ota.core.values import Fen
from ota.events.callback import Callbacks
from ota.hsm_adapter.signing import Es256Signer
from ota.store.callers import Caller
from ota.topup.refund_port import RefundAnswer, RefundOrder
from ota.topup.refund_wire import ANSWER_TYPE, TYPE, HttpWalletDesk
from ota.web.signed_facts import SignedFacts
from tests.web.platform import SetClock, TestKey

PLATFORM = "urn:ota:test"
ORDER = RefundOrder("wallet", "ref_1-1", "top_1", "alipay", "trade-1", Fen(5000), "requested")
Claims = dict[str, Any]
Say = Callable[["WalletServer", Claims], "tuple[int, bytes]"]


@dataclass
class Registered:
    """Finds the one wallet that there is."""

    key: TestKey

    def find(self, caller_id: str) -> Caller | None:
        if caller_id != "wallet":
            return None
        return Caller("wallet", CallerKind.WALLET, {"k1": self.key.jwk})


@dataclass
class WalletServer:
    """A wallet's server on this machine."""

    key: TestKey = field(default_factory=lambda: TestKey("k1"))
    say: Say = field(default=lambda server, told: server.signed(told, state="done"))
    told: list[tuple[str, Claims]] = field(default_factory=list)
    address: str = ""

    def signed(self, told: Claims, *, type_: str = ANSWER_TYPE, **changes: Any) -> tuple[int, bytes]:
        """An answer that repeats what was asked, and says what became of it."""
        echo = {name: told[name] for name in ("refund_key", "channel", "trade_no", "amount_fen", "currency")}
        claims = {"iss": "wallet", "aud": PLATFORM, "iat": told["iat"]} | echo | changes
        claims = {name: value for name, value in claims.items() if value is not None}
        headers = {"typ": type_, "kid": "k1"}
        answer = jwt.api_jws.encode(json.dumps(claims).encode(), self.key.private, "ES256", headers=headers)
        return 200, json.dumps({"answer": answer}).encode()


class Handler(BaseHTTPRequestHandler):
    """Hands every request to the wallet."""

    wallet: WalletServer

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        told = jwt.decode(body["refund"], options={"verify_signature": False})
        header = jwt.get_unverified_header(body["refund"])
        self.wallet.told.append((self.path, told | {"typ": header["typ"]}))
        status, answer = self.wallet.say(self.wallet, told)
        self.send_response(status)
        if 300 <= status < 400:
            self.send_header("Location", "http://127.0.0.1:9/elsewhere")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: object) -> None:
        """Say nothing."""
        return


@pytest.fixture
def wallet() -> Iterator[WalletServer]:
    made = WalletServer()
    handler = type("Bound", (Handler,), {"wallet": made})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    made.address = f"http://127.0.0.1:{server.server_port}/ota"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield made
    server.shutdown()
    thread.join()
    server.server_close()


def desk_of(wallet: WalletServer, address: str | None, tmp: Any) -> HttpWalletDesk:
    answers = SignedFacts(Registered(wallet.key), PLATFORM, ANSWER_TYPE)
    callbacks = Callbacks(lambda _caller: address, Es256Signer.open(tmp), SetClock(), PLATFORM)
    return HttpWalletDesk(callbacks, answers)


@pytest.fixture
def desk(wallet: WalletServer, tmp_path: Any) -> HttpWalletDesk:
    return desk_of(wallet, wallet.address, tmp_path)


def test_a_refund_is_a_signed_request_about_one_trade(wallet: WalletServer, desk: HttpWalletDesk) -> None:
    answer = desk.send(ORDER)

    ((path, told),) = wallet.told
    iat = told.pop("iat")
    assert answer is RefundAnswer.DONE
    assert path == "/ota/refunds"
    assert iat == int(SetClock().now().timestamp())
    assert told == {
        "typ": TYPE,
        "iss": PLATFORM,
        "aud": "wallet",
        "refund_key": "ref_1-1",
        "order_id": "top_1",
        "channel": "alipay",
        "trade_no": "trade-1",
        "amount_fen": 5000,
        "currency": "CNY",
        "reason": "requested",
    }


def test_a_question_goes_to_a_path_of_its_own(wallet: WalletServer, desk: HttpWalletDesk) -> None:
    answer = desk.query(ORDER)

    assert answer is RefundAnswer.DONE
    assert [path for path, _ in wallet.told] == ["/ota/refunds/query"]


@pytest.mark.parametrize("word", ["done", "refused", "pending", "unheard"])
def test_the_wallets_words_are_understood(wallet: WalletServer, desk: HttpWalletDesk, word: str) -> None:
    wallet.say = lambda server, told: server.signed(told, state=word)

    assert desk.send(ORDER) is RefundAnswer(word)


def other(**changes: Any) -> Say:
    return lambda server, told: server.signed(told, **({"state": "done"} | changes))


def fixed(status: int, answer: bytes) -> Say:
    return lambda _server, _told: (status, answer)


def by_a_stranger(_server: WalletServer, told: Claims) -> tuple[int, bytes]:
    return WalletServer().signed(told, state="done")


@pytest.mark.parametrize(
    "say",
    [
        pytest.param(other(amount_fen=4999), id="another amount"),
        pytest.param(other(currency="USD"), id="another currency"),
        pytest.param(other(trade_no="trade-2"), id="another trade"),
        pytest.param(other(channel="wechat"), id="another channel"),
        pytest.param(other(refund_key="ref_2-1"), id="another refund"),
        pytest.param(other(amount_fen=None), id="no amount"),
        pytest.param(other(state="perhaps"), id="unknown word"),
        pytest.param(other(state=None), id="no word"),
        pytest.param(other(iss="rival"), id="another wallet's"),
        pytest.param(other(aud="urn:other"), id="for another platform"),
        pytest.param(other(type_="payment+jwt"), id="another kind of fact"),
        pytest.param(by_a_stranger, id="forged"),
        pytest.param(fixed(200, b"{}"), id="no answer in it"),
        pytest.param(fixed(200, b'{"answer": 7}'), id="a number"),
        pytest.param(fixed(200, b"[]"), id="a list"),
        pytest.param(fixed(200, b"<html>"), id="not JSON"),
        pytest.param(fixed(200, b" " * 70_000), id="too long"),
        pytest.param(fixed(500, b"oops"), id="broken server"),
        pytest.param(fixed(302, b""), id="redirected"),
        pytest.param(lambda server, told: (404, server.signed(told, state="done")[1]), id="not found"),
    ],
)
def test_whatever_is_not_the_wallets_word_about_this_refund_tells_nothing(
    wallet: WalletServer, desk: HttpWalletDesk, say: Say
) -> None:
    wallet.say = say

    assert desk.send(ORDER) is RefundAnswer.SILENT
    assert desk.query(ORDER) is RefundAnswer.SILENT


def test_a_server_that_is_not_there_tells_nothing(wallet: WalletServer, tmp_path: Any) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{unused.getsockname()[1]}"

        assert desk_of(wallet, address, tmp_path).send(ORDER) is RefundAnswer.SILENT


def test_a_server_that_hangs_up_tells_nothing(wallet: WalletServer, tmp_path: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as rude:

        def hang_up() -> None:
            rude.accept()[0].close()

        threading.Thread(target=hang_up, daemon=True).start()
        address = f"http://127.0.0.1:{rude.getsockname()[1]}"

        assert desk_of(wallet, address, tmp_path).send(ORDER) is RefundAnswer.SILENT


def test_a_wallet_that_does_not_listen_is_not_asked(wallet: WalletServer, tmp_path: Any) -> None:
    desk = desk_of(wallet, None, tmp_path)

    assert not desk.reaches("wallet")
    assert desk.send(ORDER) is RefundAnswer.SILENT
    assert wallet.told == []


def test_a_wallet_that_listens_is_reached(desk: HttpWalletDesk) -> None:
    assert desk.reaches("wallet")


def test_no_trade_and_no_answer_is_in_the_log(
    wallet: WalletServer, desk: HttpWalletDesk, caplog: pytest.LogCaptureFixture
) -> None:
    wallet.say = fixed(500, b"secret words")

    desk.send(ORDER)

    assert "ref_1-1" in caplog.text
    assert "trade-1" not in caplog.text
    assert "secret words" not in caplog.text
