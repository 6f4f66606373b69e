"""A virtual element and the product's view of it: two implementations that share no line."""

from __future__ import annotations

from dataclasses import dataclass

from ota.card.apdu import Command
from ota.card.globalplatform import commands
from ota.card.globalplatform.variant import ScpVariant
from ota.card.keys import Algorithm, KeyRole
from ota.hsm_adapter.channel import Channel, ChannelRequest
from ota.hsm_adapter.keys import Diversification, KeySetRef
from ota.hsm_adapter.software import SoftwareHsm
from ota.hsm_adapter.software.memory import PublishedKeys
from ota.hsm_adapter.test_keys import DOMAIN_KEY_VERSIONS
from ota.sandbox.element.card_os import Element
from ota.sandbox.element.factory import OUR_DOMAIN, make_element
from ota.sandbox.element.keys import KeySet
from ota.sandbox.element.options import Options
from tests.hsm_adapter.keyring import MASTER, key_ref

HOST_CHALLENGE = bytes.fromhex("0011223344556677")
AES = (Algorithm.AES128, Algorithm.AES192, Algorithm.AES256)


@dataclass(frozen=True)
class Case:
    """One way to open an element: protocol, option byte, algorithm, level."""

    protocol: int
    i: int
    algorithm: Algorithm
    level: int

    def __str__(self) -> str:
        return f"scp{self.protocol:02d}-{self.i:02X}-{self.algorithm}-{self.level:02X}"


CASES = [
    Case(protocol, i, algorithm, level)
    for protocol, options, algorithms in (
        (2, (0x15, 0x55), (Algorithm.TDES,)),
        (3, (0x00, 0x10, 0x60, 0x70), AES),
    )
    for i in options
    for algorithm in algorithms
    for level in ScpVariant(protocol, i).levels
]


class Meeting:
    """An element with our keys in it, an HSM that holds their masters, and a request that fits both."""

    def __init__(self, case: Case, *, sequence: int = 41) -> None:
        version = DOMAIN_KEY_VERSIONS[case.algorithm]
        length = case.algorithm.key_length
        enc, mac, dek = (bytes(range(first, first + length)) for first in (0x11, 0x51, 0x91))
        self.element: Element = make_element(
            KeySet(version, enc, mac, dek),
            Options(scp=f"{case.protocol:02d}", i=case.i, sequence=sequence, seed="meeting"),
        )
        scheme = Diversification.VISA2 if case.protocol == 2 else Diversification.KDF3
        keys = KeySetRef("platform", version, case.algorithm, scheme)
        self.hsm = SoftwareHsm(
            PublishedKeys(
                {
                    keys.key(KeyRole.SD_ENC): enc,
                    keys.key(KeyRole.SD_MAC): mac,
                    keys.key(KeyRole.SD_DEK): dek,
                    key_ref(KeyRole.LOAD): MASTER,
                    key_ref(KeyRole.LOAD, Algorithm.SM4): MASTER,
                }
            )
        )
        self.request = ChannelRequest(
            keys, ScpVariant(case.protocol, case.i), case.level, HOST_CHALLENGE, OUR_DOMAIN
        )
        self.select()

    @property
    def static_dek(self) -> bytes:
        """The element's own data encryption key, derived by the element's maker."""
        return self.element.security_domains[1].keys.triple[2]

    def select(self) -> None:
        assert self.element.transmit(commands.select(OUR_DOMAIN).encode())[-2:] == b"\x90\x00"

    def initialize_update(self) -> bytes:
        """The element's answer without its status word."""
        command = commands.initialize_update(self.request.keys.version, self.request.host_challenge)
        response = self.element.transmit(command.encode())
        assert response[-2:] == b"\x90\x00"
        return response[:-2]

    def open(self) -> Channel:
        """A channel that the element has accepted."""
        channel, authenticate = self.hsm.open_channel(self.request, self.initialize_update())
        assert self.element.transmit(authenticate) == b"\x90\x00"
        return channel

    def exchange(self, channel: Channel, *sent: Command) -> tuple[Channel, list[bytes]]:
        """Wrap commands, let the element answer, unwrap."""
        after, wrapped = self.hsm.wrap(channel, sent)
        answers = [self.element.transmit(each.apdu) for each in wrapped]
        return after, [
            self.hsm.unwrap(after, each.ticket, answer) for each, answer in zip(wrapped, answers, strict=True)
        ]
