"""What commands and status words mean."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ota.sandbox.sentences import aside, command_meaning, detail, status_meaning


@pytest.mark.parametrize(
    ("command", "english", "chinese"),
    [
        ("00A4040008A00000063201010500", "SELECT T-Union e-purse", "交通联合钱包"),
        ("00A404000E325041592E5359532E444446303100", "SELECT PPSE", "非接触应用目录"),
        ("00A4040007AABBCCDDEEFF1100", "SELECT AABBCCDDEEFF11", "选择"),
        ("00A40400", "SELECT", "选择"),
        ("80500000080102030405060708", "INITIALIZE UPDATE", "安全通道初始化"),
        ("805000020B010000138800000000000110", "INITIALIZE FOR LOAD of 50.00 yuan", "圈存初始化"),
        ("805001020B01000001F400000000000110", "INITIALIZE FOR PURCHASE", "消费初始化"),
        ("805200000B2026112309055300000000", "CREDIT FOR LOAD", "圈存"),
        ("8482330010" + "00" * 16, "EXTERNAL AUTHENTICATE C-MAC C-ENC R-MAC R-ENC", "外部认证"),
        ("8482000010" + "00" * 16, "EXTERNAL AUTHENTICATE no protection", "外部认证"),
        ("0082000008" + "00" * 8, "EXTERNAL AUTHENTICATE", "外部认证"),
        ("80CA9F7F00", "GET DATA CPLC", "芯片生产信息"),
        ("80CA123400", "GET DATA 1234", "取数据"),
        ("00B095001E", "READ BINARY EF15 info", "公共应用信息"),
        ("00B201C417", "READ RECORD 1 of EF18 journal", "交易明细"),
        ("00B09F0000", "READ BINARY EF1F", "读文件"),
        ("84E60C0000", "INSTALL [for install]", "安装应用"),
        ("84E6200000", "INSTALL [for personalization]", "安装: 个人化"),
        ("84E2880000", "STORE DATA", "写个人化数据"),
        ("00FE0000", "unknown command", "未知指令"),
        ("00", "no command", "非指令"),
    ],
)
def test_a_command_is_named_in_both_languages(command: str, english: str, chinese: str) -> None:
    assert command_meaning(bytes.fromhex(command)) == (english, chinese)


@pytest.mark.parametrize(
    ("sw", "english"),
    [
        ("9000", "ok"),
        ("63C2", "wrong, few tries left"),
        ("610A", "more data"),
        ("9302", "MAC invalid"),
        ("FFFF", "unexpected"),
    ],
)
def test_a_status_word_is_named(sw: str, english: str) -> None:
    assert status_meaning(sw)[0] == english


@pytest.mark.parametrize(
    ("command", "data", "expected"),
    [
        ("805C000204", "00001388", "= 50.00 元"),
        ("805C000204", "00", None),
        (
            "00B095001E",
            "02205810FFFFFFFF0201" + "03104870312345678906" + "2024071520401215" + "0000",
            "= 3104870312345678906",
        ),
        ("00B0950046", "FF" * 70, None),
        ("8050300008" + "00" * 8, "00" * 10 + "3003" + "00" * 20, "= SCP03 key 30"),
        ("00A4040000", "6F00", None),
    ],
)
def test_the_figure_that_an_answer_tells_stands_beside_it(
    command: str, data: str, expected: str | None
) -> None:
    assert aside(bytes.fromhex(command), bytes.fromhex(data)) == expected


@pytest.mark.parametrize(
    ("command", "data", "expected"),
    [
        (
            "805000020B010000138800000000000110",
            "00000064" + "0007" + "0104" + "CDEF4F20" + "06B1BEF5",
            "balance 1.00 · counter 交易序号 0007 · key 01 SM4 · random CDEF4F20 · MAC1 06B1BEF5",
        ),
        (
            "805200000B201408251031000641DCD804",
            "ED0F8755",
            "host time 2014-08-25 10:31:00 · MAC2 0641DCD8 → TAC ED0F8755",
        ),
        ("805C000204", "00001388", None),
    ],
)
def test_a_loads_answers_are_taken_apart(command: str, data: str, expected: str | None) -> None:
    assert detail(bytes.fromhex(command), bytes.fromhex(data)) == expected


@given(st.binary(max_size=24), st.binary(max_size=40))
def test_no_bytes_break_a_transcript(command: bytes, data: bytes) -> None:
    english, chinese = command_meaning(command)

    assert english
    assert chinese
    assert all(each is None or each for each in (aside(command, data), detail(command, data)))
