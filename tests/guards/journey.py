"""A card is issued and loaded, and everything that was said on the way is kept, to be looked for elsewhere."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise

from ota.sandbox import credentials
from ota.sandbox.api import Api
from ota.sandbox.caller import Caller
from ota.sandbox.connection import Connection, Reply
from ota.sandbox.discovery import Wishes
from ota.sandbox.element import Element, Options
from ota.sandbox.errands import PhoneUser
from ota.sandbox.make_cards import DEFAULT_I, blank_element
from ota.sandbox.phone import Phone
from ota.sandbox.reader import Reader, Spoken
from ota.sandbox.terminal import Terminal
from ota.sandbox.transport import ElementTransport
from ota.sandbox.wallet import WalletServer
from tests.guards.canaries import Canaries, session_keys

_JWT = re.compile(rb"eyJ[\w-]+\.[\w-]+\.[\w-]+")
_INITIALIZE, _CREDIT = bytes.fromhex("805000"), bytes.fromhex("805200")
_MAC2_AT = 5 + 7  # behind the header and the time of CREDIT FOR LOAD


@dataclass
class Overheard:
    """A connection that keeps the tokens that pass."""

    connection: Connection
    tokens: set[str] = field(default_factory=set)

    def send(self, method: str, path: str, headers: Mapping[str, str], body: bytes | None) -> Reply:
        reply = self.connection.send(method, path, headers, body)
        for text in ((body or b""), reply.body, *(value.encode() for value in headers.values())):
            self.tokens |= {token.decode() for token in _JWT.findall(text)}
        return reply


@dataclass
class Holder:
    """Somebody with a phone that has an element."""

    api: Api
    element: Element
    spoken: list[Spoken] = field(default_factory=list)
    card_no: str = ""

    def __post_init__(self) -> None:
        self._meet()

    def connect(self, connection: Connection) -> None:
        """Go on over another connection, to a server that was started again."""
        self.api = Api(connection)
        self._meet()

    def _meet(self) -> None:
        reader = Reader(ElementTransport(self.element), self.spoken.append)
        wallet = WalletServer(Caller(self.api, credentials.wallet()))
        self.user = PhoneUser(reader, Phone(reader, self.api), wallet, Wishes())

    def get_card(self, city: str, first_load_fen: int | None = None) -> None:
        issued = self.user.get_card(city, first_load_fen=first_load_fen)
        assert issued.ok, issued
        assert issued.card_no is not None
        self.card_no = issued.card_no

    def top_up(self, amount_fen: int) -> None:
        assert self.user.top_up(amount_fen).ok

    def load_at_terminal(self, city: str, amount_fen: int) -> None:
        caller = Caller(self.api, credentials.terminal(city))
        reader = Reader(ElementTransport(self.element), self.spoken.append)
        assert Terminal(reader, caller).load(amount_fen).ok


def new_holder(connection: Connection, scp: str = "03") -> Holder:
    """A holder with a blank element."""
    return Holder(Api(connection), blank_element(Options(scp=scp, i=DEFAULT_I[scp])))


def whole_journey(connection: Connection) -> tuple[list[Holder], Overheard]:
    """Cards by both protocols, with and without a first load, loaded by phone and by terminal."""
    overheard = Overheard(connection)
    holders = [new_holder(overheard, scp) for scp in ("02", "03")]
    holders[0].get_card("guangzhou")
    holders[1].get_card("foshan", first_load_fen=700)
    for holder in holders:
        holder.top_up(2500)
        holder.load_at_terminal("foshan", 1200)
    return holders, overheard


def words_of(holders: list[Holder], overheard: Overheard) -> dict[str, str]:
    """Everything but keys that must stand in no log: card numbers, tokens, MACs."""
    words = {f"token {number}": token for number, token in enumerate(sorted(overheard.tokens))}
    for holder in holders:
        words[f"card number {holder.card_no[-4:]}"] = holder.card_no
        words[f"card factor {holder.card_no[-4:]}"] = holder.card_no[-16:]
        for place, (answer, credit) in enumerate(_loads(holder)):
            words[f"MAC1 of load {place} of {holder.card_no[-4:]}"] = answer.answer.data[-4:].hex()
            words[f"MAC2 of load {place} of {holder.card_no[-4:]}"] = credit.command[_MAC2_AT:][:4].hex()
            words[f"TAC of load {place} of {holder.card_no[-4:]}"] = credit.answer.data[:4].hex()
    return words


def keys_of(holders: list[Holder], canaries: Canaries) -> dict[str, bytes]:
    """Every master, city, card and session key that the journey needed, and the rest of the card's keys."""
    keys = canaries.keys(holder.card_no for holder in holders)
    for holder in holders:
        for answer, _ in _loads(holder):
            data = answer.answer.data
            keys |= session_keys(keys, holder.card_no, random=data[8:12], counter=data[4:6])
    return keys


def _loads(holder: Holder) -> list[tuple[Spoken, Spoken]]:
    return [
        (first, second)
        for first, second in pairwise(holder.spoken)
        if first.command.startswith(_INITIALIZE) and second.command.startswith(_CREDIT)
    ]
