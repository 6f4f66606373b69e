"""Cards for the tests: made by the factory, filled by the tests' own host with keys that the tests know."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import Any

from ota.sandbox.element import Algorithm, Element, KeySet, Options
from ota.sandbox.element import purse_crypto as pc
from ota.sandbox.element.factory import KEY_LENGTH_BY_VERSION, key_version, make_element
from ota.sandbox.element.keyring import KEY_SET_ROLES, Role
from tests.sandbox.element.host import Channel, open_channel, say

PACKAGE = "D15600015847444350"
TUNION = "A0000006320101055800022058100000"
LINGNANTONG = "5943542E555345525800022058100000"
APPY, TICL = "5041592E41505059", "5041592E5449434C"
PPSE = "325041592E5359532E4444463031"
MODULES = {TUNION: "01", LINGNANTONG: "02", APPY: "02", TICL: "02", PPSE: "03"}

EF15 = "02205810FFFFFFFF0201031048703123456789062024071520401215" + "0000"
EF17 = "000001565800581000" + "0101" + "20" * 49
EF16 = "0000" + "20" * 52 + "00"
LNT_EF15 = (
    "FFFFFFFFFFFFFFFF5100001234567890030002FFFFFFFF202406212034123120240621" + "43818801" + "00" * 9 + "0101"
    "5100001234567890"
).ljust(176, "0")
LNT_EF08 = "0000002407".ljust(44, "0")
LNT_9F0C = "FF" * 8 + "00" * 17 + "20191207" + "000186A0"
PPSE_TEMPLATE = (
    "A537BF0C3461194F08A000000632010106500A4D4F545F545F43415348870101"
    "61174F08A00000063201010550084D4F545F545F4550870102"
)
FILE_DEFINITIONS = (
    "15010000FF028016010000FF018017010000FF040018010000FF020019010000FF04001A010000FF00001B010000FF0180"
    "1C010000FF01801E020000301E30"
)


def key(role: Role, algorithm: Algorithm = Algorithm.TDES) -> bytes:
    """The key that the test cards carry."""
    return hashlib.sha256(f"element test {role} {algorithm}".encode()).digest()[:16]


def masters(scp: str = "03", aes_bits: int = 128) -> KeySet:
    """Masters of our security domain."""
    version = key_version(scp, aes_bits)
    made = [hashlib.sha256(f"{name} {version}".encode()).digest() for name in ("enc", "mac", "dek")]
    return KeySet(version, *(each[: KEY_LENGTH_BY_VERSION[version]] for each in made))


def make(aes_bits: int = 128, **options: Any) -> Element:
    """An element with a seed, its other options as given."""
    chosen = replace(Options(seed="tests"), **options)
    return make_element(masters(chosen.scp, aes_bits), chosen)


def lv(value: str) -> str:
    return f"{len(value) // 2:02X}{value}"


def install(channel: Channel, aid: str, parameters: str = "C900", privileges: str = "00") -> str:
    """INSTALL [for install and make selectable]; the status word."""
    fields = lv(PACKAGE) + lv(PACKAGE + MODULES[aid]) + lv(aid) + lv(privileges) + lv(parameters) + "00"
    return channel.send("80E60C00" + lv(fields) + "00")[1]


def dgi(number: str, content: str) -> str:
    length = len(content) // 2
    return number + (f"{length:02X}" if length < 0xFF else f"FF{length:04X}") + content


def key_set(channel: Channel, algorithm: Algorithm, roles: tuple[Role, ...]) -> str:
    """Enciphered keys with their check values."""
    return "".join(
        (channel.encipher(key(role, algorithm)) + pc.check_value(algorithm, key(role, algorithm))).hex()
        for role in roles
    )


def store(channel: Channel, aid: str, groupings: list[tuple[bool, str]], chunk: int = 200) -> str:
    """INSTALL [for personalization] and STORE DATA; the first status word that is not 9000, or the last."""
    status = channel.send("80E62000" + lv("0000" + lv(aid) + "000000") + "00")[1]
    blocks = [
        (secret, data[start : start + 2 * chunk])
        for secret, data in groupings
        for start in range(0, len(data), 2 * chunk)
    ]
    for number, (secret, data) in enumerate(blocks):
        p1 = 0x08 | (0x60 if secret else 0) | (0x80 if number == len(blocks) - 1 else 0)
        if status == "9000":
            status = channel.send(f"80E2{p1:02X}{number:02X}" + lv(data))[1]
    return status


def tunion_groupings(channel: Channel) -> list[tuple[bool, str]]:
    """What a T-Union instance is personalised with."""
    plain = dgi("A001", FILE_DEFINITIONS) + dgi("A002", "00010401")
    plain += dgi("B001", EF15) + dgi("B002", EF16) + dgi("B003", EF17)
    secret = dgi("B0A0", key_set(channel, Algorithm.TDES, KEY_SET_ROLES))
    secret += dgi("B1A0", key_set(channel, Algorithm.SM4, KEY_SET_ROLES))
    secret += dgi("B0A5", key_set(channel, Algorithm.TDES, (Role.LOAD_2,)))
    secret += dgi("B1A5", key_set(channel, Algorithm.SM4, (Role.LOAD_2,)))
    return [(False, plain), (True, secret)]


def personalise(element: Element, level: int = 3, *, shared: bool = True) -> Element:
    """Put the whole compatible card on an element."""
    channel = open_channel(element, element.security_domains[1], level)
    assert install(channel, TUNION) == "9000"
    parameters = "81" + lv(TUNION) if shared else ""
    assert install(channel, LINGNANTONG, "C9" + lv(parameters)) == "9000"
    assert install(channel, APPY, "C9048202DDF1") == "9000"
    assert install(channel, TICL, "C9048202ADF3") == "9000"
    assert install(channel, PPSE) == "9000"
    assert store(channel, TUNION, tunion_groupings(channel)) == "9000"
    lnt = dgi("B101", LNT_EF15) + dgi("B108", LNT_EF08) + dgi("B10C", LNT_9F0C)
    keys = [] if shared else [(True, dgi("B0A0", key_set(channel, Algorithm.TDES, KEY_SET_ROLES)))]
    assert store(channel, LINGNANTONG, [(False, lnt), *keys]) == "9000"
    assert store(channel, PPSE, [(False, dgi("0100", PPSE_TEMPLATE))]) == "9000"
    return element


@dataclass
class Loaded:
    """A load that was initialised: what the card answered and what MAC2 needs."""

    answer: bytes
    amount: int
    terminal: str
    algorithm: Algorithm
    role: Role = Role.LOAD

    @property
    def context(self) -> bytes:
        return self.amount.to_bytes(4, "big") + b"\x02" + bytes.fromhex(self.terminal)

    @property
    def session_key(self) -> bytes:
        seed = self.answer[8:12] + self.answer[4:6] + b"\x80\x00"
        return pc.session_key(self.algorithm, key(self.role, self.algorithm), seed)

    @property
    def mac1(self) -> bytes:
        return pc.transaction_mac(self.algorithm, self.session_key, self.answer[:4] + self.context)

    def credit(self, at: str = "20260102030405") -> str:
        """CREDIT FOR LOAD with the right MAC2."""
        data = self.context + bytes.fromhex(at)
        return f"805200000B{at}{pc.transaction_mac(self.algorithm, self.session_key, data).hex()}04"

    def tac(self, at: str = "20260102030405", *, sm4_xor: bool = False) -> bytes:
        after = int.from_bytes(self.answer[:4], "big") + self.amount
        tac_key = pc.tac_key(self.algorithm, key(Role.TAC, self.algorithm), sm4_xor=sm4_xor)
        data = after.to_bytes(4, "big") + self.answer[4:6] + self.context + bytes.fromhex(at)
        return pc.transaction_mac(self.algorithm, tac_key, data)


def select(element: Element, aid: str) -> tuple[bytes, str]:
    return say(element, "00A40400" + lv(aid) + "00")


def begin_load(
    element: Element,
    amount: int = 5000,
    terminal: str = "581000000001",
    index: int = 1,
    algorithm: Algorithm = Algorithm.TDES,
) -> Loaded:
    """INITIALIZE FOR LOAD in the selected application."""
    answer, status = say(element, f"805000020B{index:02X}{amount:08X}{terminal}10")
    assert status == "9000"
    return Loaded(answer, amount, terminal, algorithm, Role.LOAD_2 if index & 3 == 2 else Role.LOAD)


def load(element: Element, amount: int = 5000, at: str = "20260102030405") -> bytes:
    """Load money in the selected application; the TAC."""
    tac, status = say(element, begin_load(element, amount).credit(at))
    assert status == "9000"
    return tac


def balance(element: Element) -> int:
    """GET BALANCE of the selected application."""
    answer, status = say(element, "805C000204")
    assert status == "9000"
    return int.from_bytes(answer, "big")
