"""A province with one self-issuing city: the city's simulated host, its cards, and the platform between."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from werkzeug.test import TestResponse

from ota import wiring
from ota.city_hosts.jobs import TELL_CITY_HOST
from ota.hsm_adapter.city_host.message_keys import MessageKey
from ota.hsm_adapter.city_host.signatures import Answer, Request
from ota.hsm_adapter.city_host.wire import NoAnswer, NothingSent
from ota.sandbox.city_host import CityHost, HostDown, HostSilent
from ota.sandbox.city_host_messages import Post, Said, Signature
from ota.sandbox.element.card_os import Element
from tests.elements import TUNION
from tests.parties import FOSHAN_TERMINAL
from tests.phone import Conversation
from tests.platform import Platform, edited_config, hurry, install

FOSHAN_CODE = "02775880"
PLATFORM_KEY = "province-1"


def city_file(signature: Signature, *, self_issuing: bool) -> list[tuple[str, str]]:
    """The edits that make Foshan a city with a host."""
    x, y = signature.public
    host = f"""[host]
url = "https://tsm.foshan.example/tsm"
platform_key_id = "{PLATFORM_KEY}"

[[host.city_keys]]
id = "{signature.key_id}"
x = "{x}"
y = "{y}"

[number]"""
    if not self_issuing:
        return [("[number]", host), ("foreign_loads = false", "foreign_loads = true")]
    # The province has no key of this name: whatever is right was answered by the host.
    keys = ('issuer = "province"', 'issuer = "foshan"')
    return [("[number]", host), ("self_issuing = false", "self_issuing = true"), keys]


@dataclass
class InProcess:
    """The wire to a simulated host in this process. ``meanwhile`` runs while a question is on its way."""

    host: CityHost
    path: str = "/tsm"
    meanwhile: Callable[[str], None] = lambda _verb: None

    def send(self, request: Request) -> Answer:
        self.meanwhile(request.path.rpartition("/")[2])
        try:
            said = self.host.serve(Post(request.path, request.body, request.headers))
        except HostDown:
            raise NothingSent("refused") from None
        except HostSilent:
            raise NoAnswer("TimeoutError") from None
        return Answer(said.status, said.body, said.headers)


@dataclass
class Province(Platform):
    """A platform whose Foshan cards are authorised by Foshan itself."""

    host: CityHost = field(kw_only=True)
    wire: InProcess = field(kw_only=True)

    @cached_property
    def built(self) -> wiring.Wiring:
        built = wiring.build(self.settings, clock=self.clock, wire_of=lambda _host: self.wire)
        hurry(built.store.engine)
        return built

    def another_process(self) -> Province:
        other = Province(self.settings, self.clock, host=self.host, wire=InProcess(self.host))
        other._numbers = self._numbers
        return other

    # What is known of loads ------------------------------------------------------------------------------------

    def hosted(self) -> list[str]:
        """The state of every load at the host, oldest first."""
        return [row.state for row in self.rows("SELECT state FROM hosted_load ORDER BY created_at, load_id")]

    def attempts(self) -> list[str]:
        return [row.state for row in self.rows("SELECT state FROM load_attempt ORDER BY authorised_at, id")]

    def at_the_host(self) -> list[str]:
        """The same loads in the city's books."""
        ids = [
            row.load_id for row in self.rows("SELECT load_id FROM hosted_load ORDER BY created_at, load_id")
        ]
        return [
            self.host.loads[load_id].state if load_id in self.host.loads else "unheard" for load_id in ids
        ]

    def run_jobs(self) -> None:
        """Everything that is due now."""
        while self.built.runner.run_due():
            pass

    def jobs_waiting(self) -> int:
        (row,) = self.rows("SELECT count(*) AS n FROM outbox WHERE job = :job", job=TELL_CITY_HOST)
        return int(row.n)

    # Contacts --------------------------------------------------------------------------------------------------

    def begin(self, card: Card, amount: int = 5000) -> tuple[str, Conversation]:
        """An order, and its session with INITIALIZE FOR LOAD under way."""
        order_id = self.order_topup(card.number, amount)["order_id"]
        return order_id, self.open(order_id, card.element)

    def at_terminal(self, card: Card, amount: int = 5000, key: str | None = None) -> TestResponse:
        """A paid load at Foshan's terminal."""
        return self.post("/v1/terminals/loads", self.terminal_load(card, amount), by="terminal", key=key)

    def terminal_load(self, card: Card, amount: int = 5000) -> dict[str, Any]:
        """What the terminal sends after INITIALIZE FOR LOAD."""
        ef15, data = initialised(card.element, amount, FOSHAN_TERMINAL.digits)
        return {
            "terminal_no": FOSHAN_TERMINAL.digits,
            "terminal_seq": 1,
            "card_no": card.number,
            "amount_fen": amount,
            "payment": self.payment(amount, by="terminal"),
            "init": told(data),
            "ef15": ef15,
        }


@dataclass
class Card:
    """A Foshan card: its number, and the element it is on."""

    number: str
    element: Element


def initialised(element: Element, amount: int, terminal: str) -> tuple[str, bytes]:
    """EF15 in hex and the 16 bytes that answer INITIALIZE FOR LOAD."""
    element.transmit(b"\x00\xa4\x04\x00" + bytes((len(TUNION),)) + TUNION)
    ef15 = element.transmit(bytes.fromhex("00B095001E"))[:-2]
    answer = element.transmit(bytes.fromhex(f"805000020B01{amount:08X}{terminal}10"))
    assert answer[-2:] == b"\x90\x00"
    return ef15.hex(), answer[:-2]


def told(data: bytes) -> dict[str, Any]:
    """The fields of an answer to INITIALIZE FOR LOAD."""
    return {
        "balance": int.from_bytes(data[:4], "big"),
        "online_atc": int.from_bytes(data[4:6], "big"),
        "key_version": data[6],
        "algorithm": data[7],
        "random": data[8:12].hex().upper(),
        "mac1": data[12:16].hex().upper(),
    }


def make_province(data: Path, url: str, config: Path, *, others_load: bool = False) -> Province:
    """Install a platform and a host that know each other's keys; ``others_load``: the city's own terminals load, too."""
    signature = Signature.make("foshan-1")
    more = [("foreign_loads = false", "foreign_loads = true")] if others_load else []
    edits = {"cities/foshan.toml": city_file(signature, self_issuing=True) + more}
    plain = install(data, url, edited_config(config, edits, {}))
    point = MessageKey.open(data, PLATFORM_KEY).public.point
    host = CityHost(FOSHAN_CODE, signature, {PLATFORM_KEY: point}, lambda: plain.clock.now().timestamp())
    forget_numbers(plain)
    plain.built.store.close()
    return Province(plain.settings, plain.clock, host=host, wire=InProcess(host))


def forget_numbers(platform: Platform) -> None:
    """A city with a card room of its own does not keep its numbers here."""
    platform.change("DELETE FROM card_number WHERE city = '5880'")


@dataclass
class Asking:
    """A platform that lends Foshan its keys, and Foshan's own platform that asks."""

    platform: Platform
    signature: Signature

    def post(self, verb: str, body: dict[str, Any]) -> Post:
        """A signed question."""
        now = self.platform.clock.now().timestamp()
        return self.signature.post(f"/v1/cities/loads/{verb}", json.dumps(body).encode(), now)

    def send(self, post: Post) -> TestResponse:
        return self.platform.app.test_client().post(post.path, data=post.body, headers=dict(post.headers))

    def ask(self, verb: str, body: dict[str, Any]) -> TestResponse:
        return self.send(self.post(verb, body))

    def said(self, answer: TestResponse) -> Said:
        """The answer as the city's software reads it."""
        return Said(
            answer.status_code, answer.data, {name.lower(): value for name, value in answer.headers.items()}
        )
