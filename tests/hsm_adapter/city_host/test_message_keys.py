from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from ota.core.errors import InvalidValue
from ota.hsm_adapter.city_host.message_keys import MessageKey, MessageVerifier, verifiers
from ota.hsm_adapter.errors import KeyStoreDamaged
from ota.hsm_adapter.software.kek import place_first, seals
from tests.hsm_adapter.city_host.parties import CITYS

MESSAGE = b"a message"


def test_a_key_is_made_once_and_found_again(tmp_path: Path) -> None:
    first = MessageKey.open(tmp_path, "province-1")
    again = MessageKey.open(tmp_path, "province-1")

    assert again.public.holds(first.sign(MESSAGE), MESSAGE)
    assert again.public.point == first.public.point
    assert repr(again) == "MessageKey(province-1)"


def test_keys_of_different_names_differ(tmp_path: Path) -> None:
    first, other = MessageKey.open(tmp_path, "province-1"), MessageKey.open(tmp_path, "province-2")

    assert not other.public.holds(first.sign(MESSAGE), MESSAGE)


def test_the_private_key_is_sealed_and_private(tmp_path: Path) -> None:
    MessageKey.open(tmp_path, "province-1")

    path = tmp_path / "message-key-province-1"

    assert path.stat().st_mode & 0o077 == 0
    assert b"\x30\x81" not in path.read_bytes()[:4]


def test_an_altered_or_exchanged_file_is_refused(tmp_path: Path) -> None:
    for name in ("province-1", "province-2"):
        MessageKey.open(tmp_path, name)
    (tmp_path / "message-key-province-2").replace(tmp_path / "message-key-province-1")

    with pytest.raises(KeyStoreDamaged):
        MessageKey.open(tmp_path, "province-1")


def test_a_key_of_another_kind_is_refused(tmp_path: Path) -> None:
    der = ed25519.Ed25519PrivateKey.generate().private_bytes(
        Encoding.DER, PrivateFormat.PKCS8, NoEncryption()
    )
    (seal,) = seals(tmp_path, "message key")
    place_first(tmp_path / "message-key-province-1", seal.close(der, b"province-1"))

    with pytest.raises(KeyStoreDamaged, match="another kind"):
        MessageKey.open(tmp_path, "province-1")


@pytest.mark.parametrize("name", ["", "../kek", "Province", "x" * 65])
def test_a_name_is_no_path(tmp_path: Path, name: str) -> None:
    with pytest.raises(InvalidValue):
        MessageKey.open(tmp_path, name)


def test_a_public_point_travels_as_text() -> None:
    (key,) = verifiers([("foshan-1", *CITYS.public.point)]).values()

    assert key.holds(CITYS.sign(MESSAGE), MESSAGE)
    assert not key.holds(CITYS.sign(MESSAGE)[:-1], MESSAGE)


@pytest.mark.parametrize(("x", "y"), [("A" * 43, "A" * 43), ("!", "A" * 43)])
def test_a_point_off_the_curve_is_refused(x: str, y: str) -> None:
    with pytest.raises(InvalidValue, match="P-256"):
        MessageVerifier.from_point(x, y)
