from dataclasses import dataclass, replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ota.card.files import Basic, Holder, Interoperability, LingnantongBasic
from ota.card.keys import Algorithm, KeyRole
from ota.card.perso import (
    ApplicationPerso,
    Grouping,
    KeysToFill,
    deletion,
    fill,
    instance_aids,
    personalisation,
    store_data,
)
from ota.card.product_file import load_product
from ota.core.errors import InvalidValue
from ota.core.values import CityCode
from tests.card.products import COMPATIBLE, GUANGZHOU

PRODUCT = load_product(COMPATIBLE)
T_UNION, LINGNANTONG, PPSE = personalisation(PRODUCT, GUANGZHOU)


@dataclass(frozen=True)
class ExportedKey:
    cipher: bytes
    kcv: bytes


def content(application: ApplicationPerso, group_id: str) -> bytes:
    return next(
        group.content
        for group in application.groups
        if isinstance(group, Grouping) and group.id.hex().upper() == group_id
    )


def test_the_instances_are_installed_under_the_citys_aids() -> None:
    wires = [
        command.encode().hex().upper()
        for application in (T_UNION, LINGNANTONG, PPSE)
        for command in application.installs
    ]

    assert wires == [
        "80E60C002C09D156000158474443500AD156000158474443500110A0000006320101055800022058100000010002C9000000",
        "80E60C003E09D156000158474443500AD1560001584744435002105943542E555345525800022058100000010014C9128110A00000063201010558000220581000000000",
        "80E60C002809D156000158474443500AD1560001584744435002085041592E41505059010006C9048202DDF10000",
        "80E60C002809D156000158474443500AD1560001584744435002085041592E5449434C010006C9048202ADF30000",
        "80E60C002A09D156000158474443500AD15600015847444350030E325041592E5359532E4444463031010002C9000000",
    ]


def test_personalisation_is_opened_for_the_main_instance() -> None:
    wire = LINGNANTONG.begin.encode().hex().upper()

    assert wire.startswith("80E62000" + "16" + "0000" + "10" + LINGNANTONG.aid.hex().upper() + "000000")


def test_instances_are_deleted_before_what_they_use() -> None:
    names = [command.data[2:] for command in deletion(PRODUCT, GUANGZHOU)]
    aids = instance_aids(PRODUCT, GUANGZHOU)

    assert names == [aids[name] for name in ("lnt-ticl", "lnt-appy", "lnt", "t-union", "ppse")]


def test_the_files_are_those_that_readers_read() -> None:
    basic = Basic(GUANGZHOU.issuer_id, 2, 1, GUANGZHOU.card_no, GUANGZHOU.issued, GUANGZHOU.expires)
    interoperability = Interoperability("5800", CityCode("5810"), interoperable=True, card_kind=1)
    lingnantong = LingnantongBasic(
        GUANGZHOU.lnt_number, GUANGZHOU.issued, GUANGZHOU.expires, 1, bytes.fromhex("43818801") + bytes(9)
    )

    assert content(T_UNION, "B001") == basic.to_bytes()
    assert content(T_UNION, "B002") == Holder().to_bytes()
    assert content(T_UNION, "B003") == interoperability.to_bytes()
    assert content(LINGNANTONG, "B101") == lingnantong.to_bytes()


def test_the_load_keys_versions_are_written_and_1_stands_in() -> None:
    assert content(T_UNION, "A002").hex() == "00030401"


def test_month_and_ceiling_are_written() -> None:
    assert content(LINGNANTONG, "B108")[3:5].hex() == "2601"
    assert content(LINGNANTONG, "B10C")[-8:].hex() == "20260102000186a0"


def test_key_sets_leave_as_names() -> None:
    keys = [group for group in T_UNION.groups if isinstance(group, KeysToFill)]

    assert [(group.id.hex(), group.algorithm, len(group.roles)) for group in keys] == [
        ("b0a0", Algorithm.TDES, 15),
        ("b0a5", Algorithm.TDES, 1),
        ("b1a0", Algorithm.SM4, 15),
        ("b1a5", Algorithm.SM4, 1),
    ]


def test_a_filled_key_set_holds_each_key_and_its_check_value() -> None:
    group = KeysToFill(b"\xb0\xa0", Algorithm.TDES, (KeyRole.LOAD, KeyRole.TAC))

    filled = fill(group, [ExportedKey(b"\x01" * 16, b"\x02" * 3), ExportedKey(b"\x03" * 16, b"\x04" * 3)])

    assert filled == Grouping(
        b"\xb0\xa0", b"\x01" * 16 + b"\x02" * 3 + b"\x03" * 16 + b"\x04" * 3, enciphered=True
    )
    assert repr(filled) == "Grouping(B0A0, 38 bytes)"


@pytest.mark.parametrize("exported", [[], [(16, 3)] * 2, [(15, 3)], [(16, 4)]])
def test_a_key_set_is_filled_exactly(exported: list[tuple[int, int]]) -> None:
    group = KeysToFill(b"\xb0\xa5", Algorithm.SM4, (KeyRole.LOAD_2,))

    with pytest.raises(InvalidValue, match="exported"):
        fill(group, [ExportedKey(bytes(cipher), bytes(kcv)) for cipher, kcv in exported])


def test_a_key_set_of_285_bytes_has_a_long_length() -> None:
    assert Grouping(b"\xb0\xa0", bytes(285), enciphered=True).encode()[:5].hex() == "b0a0ff011d"
    assert Grouping(b"\xb0\xa0", bytes(0xFE), enciphered=True).encode()[:3].hex() == "b0a0fe"
    assert Grouping(b"\xb0\xa0", bytes(0xFF), enciphered=True).encode()[:5].hex() == "b0a0ff00ff"


def test_blocks_tell_whether_they_are_enciphered_and_which_is_last() -> None:
    plain, secret = (
        Grouping(b"\xb0\x01", bytes(30), enciphered=False),
        Grouping(b"\xb0\xa0", bytes(285), enciphered=True),
    )

    commands = store_data([plain, plain, secret, plain], 239)

    assert [command.header.hex().upper() for command in commands] == [
        "80E20800",
        "80E26801",
        "80E26802",
        "80E28803",
    ]
    assert [len(command.data) for command in commands] == [66, 239, 51, 33]


def test_a_single_enciphered_block_is_the_last_one() -> None:
    assert store_data([Grouping(b"\xb0\xa5", bytes(19), enciphered=True)], 239)[0].p1 == 0xE8


groupings = st.lists(
    st.builds(Grouping, st.binary(min_size=2, max_size=2), st.binary(max_size=300), st.booleans()),
    min_size=1,
    max_size=6,
)


@given(groupings, st.integers(16, 255))
def test_what_is_stored_is_what_was_given_in_order(groups: list[Grouping], max_data: int) -> None:
    commands = store_data(groups, max_data)

    assert b"".join(command.data for command in commands) == b"".join(group.encode() for group in groups)
    assert [command.p2 for command in commands] == list(range(len(commands)))
    assert [bool(command.p1 & 0x80) for command in commands] == [False] * (len(commands) - 1) + [True]
    assert all(0 < len(command.data) <= max_data for command in commands)


@given(groupings)
def test_an_enciphered_and_a_plain_grouping_never_share_a_block(groups: list[Grouping]) -> None:
    commands = store_data(groups, 239)
    changes = sum(before.enciphered != after.enciphered for before, after in pairwise(groups))
    kinds = [bool(command.p1 & 0x60) for command in commands]

    assert sum(before != after for before, after in pairwise(kinds)) == changes


@pytest.mark.parametrize("max_data", [0, 256])
def test_a_block_has_1_to_255_bytes(max_data: int) -> None:
    with pytest.raises(InvalidValue, match="max_data"):
        store_data([Grouping(b"\xb0\x01", b"", enciphered=False)], max_data)


@pytest.mark.parametrize("groups", [[], [Grouping(b"\xb0\x01", bytes(300), enciphered=False)]])
def test_there_are_1_to_256_blocks(groups: list[Grouping]) -> None:
    with pytest.raises(InvalidValue, match="groups"):
        store_data(groups, 1)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("issuer_code", "0220581"),
        ("issuer_code", "0220581A"),
        ("province", "58"),
        ("area", 256),
        ("load_key_versions", {Algorithm.SM4: 256}),
    ],
)
def test_values_that_no_card_can_hold_are_refused(field: str, value: object) -> None:
    with pytest.raises(InvalidValue, match="expected"):
        replace(GUANGZHOU, **{field: value})  # type: ignore[arg-type]


def test_a_cards_values_print_no_number() -> None:
    assert "1234567890" not in repr(GUANGZHOU)
