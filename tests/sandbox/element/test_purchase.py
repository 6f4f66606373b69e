from __future__ import annotations

import pytest

from ota.sandbox.element import Algorithm, Element
from ota.sandbox.element import purse_crypto as pc
from ota.sandbox.element.keyring import Role
from tests.sandbox.element.cards import TICL, balance, key, load, select
from tests.sandbox.element.host import say, sw

TERMINAL, SEQUENCE, AT = "581000000009", "00000007", "20260203040506"
JOURNEY = "03" + "0058100000000901" * 5 + "AABBCCDDEEFF00"
SIMPLE, COMPOUND = "01", "03"


class Terminal:
    """Buys something with a purchase key that it knows."""

    def __init__(self, element: Element, algorithm: Algorithm = Algorithm.TDES) -> None:
        self.element = element
        self.algorithm = algorithm

    def begin(self, amount: int, kind: str = SIMPLE) -> bytes:
        index = "01" if self.algorithm is Algorithm.TDES else "41"
        self.answer, status = say(self.element, f"8050{kind}020B{index}{amount:08X}{TERMINAL}0F")
        assert status == "9000"
        number = 6 if kind == SIMPLE else 9
        self.context = amount.to_bytes(4, "big") + bytes((number,)) + bytes.fromhex(TERMINAL)
        return self.answer

    @property
    def session_key(self) -> bytes:
        seed = self.answer[11:15] + self.answer[4:6] + bytes.fromhex(SEQUENCE)[2:]
        return pc.session_key(self.algorithm, key(Role.PURCHASE, self.algorithm), seed)

    def debit(self) -> str:
        mac1 = pc.transaction_mac(self.algorithm, self.session_key, self.context + bytes.fromhex(AT))
        return f"805401000F{SEQUENCE}{AT}{mac1.hex()}08"

    def expected(self) -> bytes:
        tac_key = pc.tac_key(self.algorithm, key(Role.TAC, self.algorithm), sm4_xor=False)
        data = self.context + bytes.fromhex(SEQUENCE + AT)
        mac2 = pc.transaction_mac(self.algorithm, self.session_key, self.context[:4])
        return pc.transaction_mac(self.algorithm, tac_key, data) + mac2


@pytest.fixture
def rich(card: Element) -> Element:
    """A card with 50 yuan."""
    load(card, 5000)
    return card


@pytest.mark.parametrize("algorithm", list(Algorithm))
@pytest.mark.parametrize(("kind", "number"), [(SIMPLE, "06"), (COMPOUND, "09")])
def test_a_purchase_takes_the_money_and_proves_it(
    rich: Element, algorithm: Algorithm, kind: str, number: str
) -> None:
    terminal = Terminal(rich, algorithm)
    answer = terminal.begin(200, kind)

    proof = say(rich, terminal.debit())

    assert answer[:11].hex() == "00001388" + "0000" + "000000" + ("0100" if algorithm == "3des" else "0104")
    assert proof == (terminal.expected(), "9000")
    assert balance(rich) == 4800
    assert say(rich, "00B201C417")[0].hex() == f"0001000000000000c8{number}{TERMINAL}{AT}"
    assert say(rich, f"805A00{number}02000008") == (proof[0][4:] + proof[0][:4], "9000")


def test_a_compound_purchase_writes_its_records_with_the_debit(rich: Element) -> None:
    terminal = Terminal(rich)
    terminal.begin(200, COMPOUND)

    cached = [sw(rich, command) for command in ("80DC00F030" + JOURNEY, "80DC01C804" + "01020304")]
    before = sw(rich, "00B201F430")
    assert sw(rich, terminal.debit()) == "9000"

    assert (cached, before) == (["9000", "9000"], "6A83")
    assert say(rich, "00B201F430") == (bytes.fromhex(JOURNEY), "9000")
    assert say(rich, "00B201CC00") == (bytes.fromhex("01020304"), "9000")


def test_an_identified_record_is_replaced_not_repeated(rich: Element) -> None:
    for content in ("01AA", "02BB", "01CCDD"):
        terminal = Terminal(rich)
        terminal.begin(0, COMPOUND)
        assert sw(rich, f"80DC{content[:2]}C8{len(content) // 2:02X}{content}") == "9000"
        assert sw(rich, terminal.debit()) == "9000"

    records = [say(rich, f"00B2{number:02X}CC00") for number in (1, 2, 3)]

    assert records == [(bytes.fromhex("01CCDD"), "9000"), (bytes.fromhex("02BB"), "9000"), (b"", "6A83")]


def test_the_journey_file_turns_over_after_30(rich: Element) -> None:
    for count in range(32):
        terminal = Terminal(rich)
        terminal.begin(0, COMPOUND)
        assert sw(rich, "80DC00F030" + f"{count:02X}" + "00" * 47) == "9000"
        assert sw(rich, terminal.debit()) == "9000"

    assert [say(rich, f"00B2{number:02X}F400")[0][0] for number in (1, 30)] == [31, 2]
    assert sw(rich, "00B21FF400") == "6A83"


def test_an_existing_journey_can_be_overwritten(rich: Element) -> None:
    for number in ("00", "01"):
        terminal = Terminal(rich)
        terminal.begin(0, COMPOUND)
        assert sw(rich, f"80DC{number}F030" + f"4{number[1]}" + "00" * 47) == "9000"
        assert sw(rich, terminal.debit()) == "9000"

    assert say(rich, "00B201F430")[0][0] == 0x41
    assert sw(rich, "00B202F430") == "6A83"


@pytest.mark.parametrize(
    ("command", "status"),
    [
        ("80DC00F02F" + "00" * 47, "6700"),
        ("80DC02F030" + "00" * 48, "6A83"),
        ("80DC01C8020200", "6A80"),
        ("80DC01C8FF" + "01" * 255, "9000"),
        ("80DC00A81E" + "00" * 30, "6981"),
        ("80DC00C017" + "00" * 23, "6982"),
        ("80DC005017" + "00" * 23, "6A82"),
    ],
)
def test_records_that_cannot_be_cached(rich: Element, command: str, status: str) -> None:
    Terminal(rich).begin(1, COMPOUND)

    assert sw(rich, command) == status


def test_identified_records_fill_their_file(rich: Element) -> None:
    statuses = []
    for number in range(1, 6):
        terminal = Terminal(rich)
        terminal.begin(0, COMPOUND)
        statuses.append(sw(rich, f"80DC{number:02X}C8FF" + f"{number:02X}" * 255))
        assert sw(rich, terminal.debit()) == "9000"

    assert statuses == ["9000"] * 4 + ["6A84"]


def test_records_are_cached_in_a_compound_purchase_only(rich: Element) -> None:
    assert sw(rich, "80DC00F030" + JOURNEY) == "6985"

    Terminal(rich).begin(1, SIMPLE)
    assert sw(rich, "80DC00F030" + JOURNEY) == "6985"

    Terminal(rich).begin(1, COMPOUND)
    assert [sw(rich, "80DC00F030" + JOURNEY) for _ in range(2)] == ["9000", "6985"]


def test_a_new_purchase_forgets_the_records_of_the_old(rich: Element) -> None:
    terminal = Terminal(rich)
    terminal.begin(1, COMPOUND)
    sw(rich, "80DC00F030" + JOURNEY)
    terminal.begin(1, COMPOUND)

    assert sw(rich, terminal.debit()) == "9000"

    assert sw(rich, "00B201F430") == "6A83"


def test_a_wrong_mac1_is_9302_and_takes_nothing(rich: Element) -> None:
    terminal = Terminal(rich)
    terminal.begin(200, COMPOUND)
    sw(rich, "80DC00F030" + JOURNEY)

    assert sw(rich, f"805401000F{SEQUENCE}{AT}0000000008") == "9302"
    assert sw(rich, terminal.debit()) == "6985"
    assert balance(rich) == 5000
    assert sw(rich, "00B201F430") == "6A83"


@pytest.mark.parametrize(
    ("command", "status"),
    [
        ("805001010B01000000015810000000010F", "6A86"),
        ("805002020B01000000015810000000010F", "6A86"),
        ("805001020A010000000158100000000F", "6700"),
        ("805001020B010000000158100000000110", "6C0F"),
        ("805001020B02000000015810000000010F", "9403"),
        ("805001020B01000013895810000000010F", "9401"),
        ("805400000F" + "00" * 15, "6A86"),
        ("805401000E" + "00" * 14, "6700"),
        ("805401000F" + "00" * 15 + "04", "6C08"),
        ("805401000F" + "00" * 15 + "08", "6985"),
    ],
)
def test_bad_purchases(rich: Element, command: str, status: str) -> None:
    assert sw(rich, command) == status


def test_a_load_is_not_finished_by_a_debit(rich: Element) -> None:
    assert sw(rich, "805000020B010000000158100000000110") == "9000"

    assert sw(rich, "805401000F" + "00" * 15 + "08") == "6985"


def test_lingnantong_shows_the_fare_of_a_ride(rich: Element) -> None:
    terminal = Terminal(rich)
    terminal.begin(200)
    sw(rich, terminal.debit())
    select(rich, TICL)

    assert say(rich, "00B201C417")[0].hex() == f"0001000000000000c806{TERMINAL}00c80203040500"
