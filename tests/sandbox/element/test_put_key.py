from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ota.sandbox.element import DomainProfile, Element, KeySet
from ota.sandbox.element import crypto as c
from ota.sandbox.element.keys import key_check_value
from tests.sandbox.element.cards import lv, make
from tests.sandbox.element.host import Channel, open_channel, say

PROTOCOLS = [({"scp": "02", "i": 0x15}, 16), ({}, 16), ({}, 24), ({}, 32)]


def new_keys(version: int, length: int) -> KeySet:
    return KeySet(version, *(bytes((first,)) * length for first in (0x11, 0x22, 0x33)))


def entry(channel: Channel, key: bytes, *, check: bytes | None = None) -> str:
    is_aes = not channel.is_scp02
    if is_aes:
        padded = key.ljust(-(-len(key) // 16) * 16, b"\x00")
        cipher = bytes((len(key),)) + c.encrypt(c.aes(channel.dek), padded, bytes(16))
    else:
        cipher = channel.encipher(key)
    kind = "88" if is_aes else "80"
    check = key_check_value(key, is_aes=is_aes) if check is None else check
    return kind + lv(cipher.hex()) + lv(check.hex())


def put(channel: Channel, keys: KeySet, replaces: int = 0) -> tuple[bytes, str]:
    data = f"{keys.version:02X}" + "".join(entry(channel, key) for key in keys.triple)
    return channel.send(f"80D8{replaces:02X}81" + lv(data) + "00")


def opened(options: dict[str, Any], keys: KeySet | None = None) -> tuple[Element, DomainProfile, Channel]:
    element = make(**options)
    ours = element.security_domains[1]
    channel = open_channel(element, ours)
    if keys:
        assert put(channel, keys)[1] == "9000"
        ours = replace(ours, keys=keys)
    return element, ours, channel


@pytest.mark.parametrize(("options", "length"), PROTOCOLS)
def test_new_keys_open_the_domain_and_their_check_values_come_back(
    options: dict[str, Any], length: int
) -> None:
    element, ours, channel = opened(options)
    keys = new_keys(0x21, length)

    answer, status = put(channel, keys)

    values = b"".join(key_check_value(key, is_aes=not channel.is_scp02) for key in keys.triple)
    assert (answer, status) == (b"\x21" + values, "9000")
    assert open_channel(element, replace(ours, keys=keys)).send("80F28002024F0000")[1] == "9000"


def test_a_replaced_version_is_gone_and_its_counter_starts_anew() -> None:
    element, ours, channel = opened({})
    keys = new_keys(0x30, 16)

    assert put(channel, keys, replaces=0x30)[1] == "9000"

    assert say(element, "80CA00C100")[1] == "6982"  # a plain command inside the session
    assert say(element, "80CA00C100") == (bytes.fromhex("C103000000"), "9000")
    assert open_channel(element, replace(ours, keys=keys)).send("80F28002024F0000")[1] == "9000"


def test_the_old_version_stays_beside_the_new_one() -> None:
    element, _, _ = opened({}, new_keys(0x31, 16))

    answer, _ = say(element, "8050300008" + "00" * 8 + "00")

    assert answer[10] == 0x30
    assert say(element, "8050000008" + "00" * 8 + "00")[0][10] == 0x31


@pytest.mark.parametrize(
    ("change", "status"),
    [
        (lambda data: data[:-2] + "00", "9485"),
        (lambda data: data[:-2], "6A80"),
        (lambda data: data + "00", "6A80"),
        (lambda data: "00" + data[2:], "6A80"),
        (lambda data: "30" + data[2:], "6A80"),
        (lambda data: data[:2] + "80" + data[4:], "6A80"),
        (lambda data: data[:6] + "18" + data[8:], "6A80"),
        (lambda data: data[:2], "6A80"),
    ],
)
def test_bad_keys_change_nothing(change: object, status: str) -> None:
    element, ours, channel = opened({})
    keys = new_keys(0x31, 16)
    data = "31" + "".join(entry(channel, key) for key in keys.triple)

    answer = channel.send("80D80081" + lv(change(data)) + "00")  # type: ignore[operator]

    assert answer[1] == status
    assert open_channel(element, ours).send("80F28002024F0000")[1] == "9000"


def test_keys_of_another_place_are_refused() -> None:
    _, _, channel = opened({})

    assert channel.send("80D80001" + lv("31"))[1] == "6A86"
    assert put(channel, new_keys(0x31, 16), replaces=0x55)[1] == "6A88"
    assert channel.send("80D8008100")[1] == "6A80"
