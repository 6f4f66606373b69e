from __future__ import annotations

import json

import pytest

from ota.card.globalplatform.variant import ScpVariant
from ota.card.keys import Algorithm, KeyRole
from ota.core.errors import InvalidValue
from ota.hsm_adapter.channel import Channel, ChannelRequest, ExportedKey, WrappedCommand
from ota.hsm_adapter.keys import CardKey, Diversification, KeyRef, KeySetRef

KEYS = KeySetRef("platform", 0x30, Algorithm.AES128, Diversification.KDF3)
DOMAIN = bytes.fromhex("D156000158534400")


def a_request(**changes: object) -> ChannelRequest:
    values: dict[str, object] = {
        "keys": KEYS,
        "scp": ScpVariant(3, 0x70),
        "level": 0x33,
        "host_challenge": bytes(8),
        "security_domain": DOMAIN,
        **changes,
    }
    return ChannelRequest(**values)  # type: ignore[arg-type]


def a_channel(**changes: object) -> Channel:
    values: dict[str, object] = {
        "request": a_request(),
        "initialize_update_response": bytes(32),
        "chaining": bytes(range(16)),
        "counter": 5,
        **changes,
    }
    return Channel(**values)  # type: ignore[arg-type]


@pytest.mark.parametrize("issuer", ["", "Province", "a b", "x" * 33, "-x", "省"])
def test_an_issuer_is_a_short_plain_word(issuer: str) -> None:
    with pytest.raises(InvalidValue, match="issuer"):
        KeyRef(KeyRole.LOAD, issuer, 1, Algorithm.TDES)


@pytest.mark.parametrize("version", [-1, 256, True, 1.0])
def test_a_version_is_one_byte(version: int) -> None:
    with pytest.raises(InvalidValue, match="version"):
        KeyRef(KeyRole.LOAD, "province", version, Algorithm.TDES)


def test_a_key_is_named_in_words() -> None:
    assert str(KeyRef(KeyRole.LOAD, "province", 1, Algorithm.TDES)) == "province/load/1/3DES"


@pytest.mark.parametrize("path", [(bytes(7),), (bytes(8), bytes(9)), (bytes(8),) * 9])
def test_a_path_has_up_to_eight_factors_of_eight_bytes(path: tuple[bytes, ...]) -> None:
    with pytest.raises(InvalidValue, match="path"):
        CardKey(KeyRef(KeyRole.LOAD, "province", 1, Algorithm.TDES), path)


def test_a_card_key_does_not_show_the_card_number_in_its_path() -> None:
    key = CardKey(KeyRef(KeyRole.LOAD, "province", 1, Algorithm.TDES), (bytes.fromhex("4870312345678906"),))

    assert repr(key) == "CardKey(province/load/1/3DES, 1 factors)"


@pytest.mark.parametrize(
    ("algorithm", "scheme"),
    [
        (Algorithm.TDES, Diversification.KDF3),
        (Algorithm.AES128, Diversification.VISA2),
        (Algorithm.AES256, Diversification.EMV_CPS),
        (Algorithm.SM4, Diversification.NONE),
    ],
)
def test_a_scheme_fits_its_algorithm(algorithm: Algorithm, scheme: Diversification) -> None:
    with pytest.raises(InvalidValue, match="diversification"):
        KeySetRef("platform", 1, algorithm, scheme)


def test_a_key_set_names_its_three_keys_and_no_other() -> None:
    assert str(KEYS.key(KeyRole.SD_MAC)) == "platform/sd_mac/48/AES-128"
    with pytest.raises(InvalidValue, match="role"):
        KEYS.key(KeyRole.LOAD)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"host_challenge": bytes(7)}, "host_challenge"),
        ({"security_domain": bytes(4)}, "security_domain"),
        ({"security_domain": bytes(17)}, "security_domain"),
        ({"level": 0x00}, "level"),
        ({"level": 0x02}, "level"),
        ({"scp": ScpVariant(3, 0x00)}, "level"),
        ({"scp": ScpVariant(2, 0x15), "level": 0x01}, "algorithm"),
        ({"keys": KeySetRef("platform", 1, Algorithm.TDES, Diversification.NONE)}, "algorithm"),
        ({"key_version": 256}, "key_version"),
    ],
)
def test_a_request_that_no_card_could_answer_is_refused(changes: dict[str, object], field: str) -> None:
    with pytest.raises(InvalidValue, match=field):
        a_request(**changes)


@pytest.mark.parametrize(
    "changes", [{"chaining": bytes(8)}, {"counter": -1}, {"counter": 1 << 32}, {"counter": True}]
)
def test_a_channel_holds_together(changes: dict[str, object]) -> None:
    with pytest.raises(InvalidValue):
        a_channel(**changes)


def test_a_channel_is_stored_and_read_back() -> None:
    channel = a_channel(request=a_request(key_version=0x7F))

    assert Channel.from_json(channel.to_json()) == channel


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("format", 1),
        ("issuer", None),
        ("version", "1"),
        ("algorithm", "DES"),
        ("diversification", 7),
        ("scp", 4),
        ("i", "70"),
        ("level", "33"),
        ("host_challenge", "zz"),
        ("security_domain", 5),
        ("key_version", "x"),
        ("chaining", "00"),
        ("counter", "1"),
        ("seal", None),
    ],
)
def test_a_stored_channel_that_was_changed_is_refused(field: str, value: object) -> None:
    stored = json.loads(a_channel().to_json())

    with pytest.raises(InvalidValue):
        Channel.from_json(json.dumps({**stored, field: value}))


@pytest.mark.parametrize("text", ["", "[]", "null", "{", "{}", "7", '{"format":1}'])
def test_something_else_is_no_stored_channel(text: str) -> None:
    with pytest.raises(InvalidValue):
        Channel.from_json(text)


def test_no_repr_shows_what_goes_over_the_channel() -> None:
    shown = repr(
        [
            a_channel(),
            WrappedCommand(bytes.fromhex("84E2880008AABBCCDDEEFF0011"), "7.AABB"),
            ExportedKey(bytes.fromhex("AABBCCDDEEFF00112233445566778899"), bytes.fromhex("A1B2C3")),
        ]
    )

    assert shown == (
        "[Channel(SCP03 i=70, level=33, counter=5), WrappedCommand(84E28800, 13 bytes), "
        "ExportedKey(16 bytes, kcv=A1B2C3)]"
    )


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("province/load/1", "issuer/role/version/algorithm"),
        ("province/load/1/3DES/x", "issuer/role/version/algorithm"),
        ("province/load/01/3DES", "issuer/role/version/algorithm"),
        ("province/load/256/3DES", "0 to 255"),
        ("province/lode/1/3DES", "load"),
        ("province/load/1/DES", "3DES"),
        ("Province/load/1/3DES", "lower-case"),
    ],
)
def test_a_name_that_is_none_says_what_was_expected(name: str, told: str) -> None:
    with pytest.raises(InvalidValue, match=told):
        KeyRef.parse(name)


def test_a_name_is_read_as_it_is_written() -> None:
    ref = KeyRef(KeyRole.LOAD, "province", 2, Algorithm.TDES)

    assert KeyRef.parse(str(ref)) == ref
