"""Keys whose attributes are weaker than their role, each put on a real token and found there at the start."""

from __future__ import annotations

from typing import Any

import pytest
from pkcs11 import Attribute, KeyType, Mechanism, ObjectClass

from ota.card.keys import Algorithm, KeyRole
from ota.hsm_adapter.keys import KeyRef
from ota.hsm_adapter.pkcs11 import Pkcs11Hsm, TokenPlace
from ota.hsm_adapter.pkcs11.attributes import checked_use
from ota.hsm_adapter.pkcs11.ciphers import AES, TDES
from ota.hsm_adapter.pkcs11.errors import KeyAttributesWeak
from ota.hsm_adapter.pkcs11.session import TokenSession
from ota.hsm_adapter.pkcs11.templates import Use, stored_key
from ota.hsm_adapter.pkcs11.token import OpenToken

LOAD = "ota/province/load/1/3DES"
DEK = "ota/platform/sd_dek/48/AES-128"
TRANSPORT = "ota/foshan/transport/1/AES-128"
SECRET = bytes.fromhex("8A3C5D1F90B7E2466BD10E94F7A2C358")

WEAKER: list[tuple[Attribute, Any, str]] = [
    (Attribute.PRIVATE, b"\x00", "PRIVATE must be True"),
    (Attribute.SENSITIVE, b"\x00", "SENSITIVE must be True"),
    (Attribute.EXTRACTABLE, b"\x01", "EXTRACTABLE must be False"),
    (Attribute.MODIFIABLE, b"\x01", "MODIFIABLE must be False"),
    (Attribute.COPYABLE, b"\x01", "COPYABLE must be False"),
    (Attribute.ENCRYPT, b"\x01", "it may DERIVE, ENCRYPT; expected DERIVE only"),
    (Attribute.DECRYPT, b"\x01", "it may DECRYPT, DERIVE; expected DERIVE only"),
    (Attribute.SIGN, b"\x01", "it may DERIVE, SIGN; expected DERIVE only"),
    (Attribute.VERIFY, b"\x01", "it may DERIVE, VERIFY; expected DERIVE only"),
    (Attribute.WRAP, b"\x01", "it may DERIVE, WRAP; expected DERIVE only"),
    (Attribute.UNWRAP, b"\x01", "it may DERIVE, UNWRAP; expected DERIVE only"),
    (Attribute.DERIVE, b"\x00", "it may nothing; expected DERIVE only"),
    (Attribute.ALLOWED_MECHANISMS, None, "ALLOWED_MECHANISMS must be"),
    (
        Attribute.ALLOWED_MECHANISMS,
        (Mechanism.DES3_ECB_ENCRYPT_DATA, Mechanism.DES3_ECB),
        "ALLOWED_MECHANISMS must be DES3_ECB_ENCRYPT_DATA, DES3_CBC_ENCRYPT_DATA",
    ),
]


@pytest.mark.parametrize(("attribute", "value", "why"), WEAKER, ids=lambda each: getattr(each, "name", None))
def test_a_master_that_may_do_more_is_refused_by_name(
    fresh: TokenPlace, attribute: Attribute, value: Any, why: str
) -> None:
    template = {**stored_key(TDES, Use.DERIVE, LOAD, SECRET), attribute: value}
    put(fresh, {name: each for name, each in template.items() if each is not None})

    with pytest.raises(KeyAttributesWeak) as refusal:
        Pkcs11Hsm.open(fresh, environment="production")

    assert "province/load/1/3DES" in str(refusal.value)
    assert why in str(refusal.value)


def test_a_wrapping_key_that_also_decrypts_is_refused(fresh: TokenPlace) -> None:
    put(fresh, {**stored_key(AES, Use.WRAP, DEK, SECRET), Attribute.DECRYPT: b"\x01"})

    with pytest.raises(KeyAttributesWeak, match="it may DECRYPT, WRAP; expected DERIVE only or WRAP only"):
        Pkcs11Hsm.open(fresh, environment="sandbox")


@pytest.mark.parametrize(
    ("label", "use", "accepted"),
    [
        (DEK, Use.WRAP, True),
        (DEK, Use.DERIVE, True),
        (TRANSPORT, Use.WRAP, True),
        (TRANSPORT, Use.DERIVE, False),
        ("ota/platform/sd_enc/48/AES-128", Use.WRAP, False),
    ],
)
def test_key_encryption_keys_wrap_and_nobody_else(
    fresh: TokenPlace, label: str, use: Use, accepted: bool
) -> None:
    put(fresh, stored_key(AES, use, label, SECRET))

    if accepted:
        assert Pkcs11Hsm.open(fresh, environment="production").health().ok
    else:
        with pytest.raises(KeyAttributesWeak, match=label.removeprefix("ota/")):
            Pkcs11Hsm.open(fresh, environment="production")


def test_a_transport_key_of_3des_is_refused(fresh: TokenPlace) -> None:
    put(fresh, stored_key(TDES, Use.WRAP, "ota/foshan/transport/1/3DES", SECRET))

    with pytest.raises(KeyAttributesWeak, match="expected no such key on a token"):
        Pkcs11Hsm.open(fresh, environment="sandbox")


def test_a_key_of_another_type_than_its_name_says_is_refused(fresh: TokenPlace) -> None:
    put(fresh, stored_key(AES, Use.DERIVE, LOAD, SECRET))

    with pytest.raises(KeyAttributesWeak, match="it is no key of 3DES"):
        Pkcs11Hsm.open(fresh, environment="sandbox")


def test_two_keys_of_one_name_are_refused(fresh: TokenPlace) -> None:
    put(fresh, stored_key(TDES, Use.DERIVE, LOAD, SECRET), stored_key(TDES, Use.DERIVE, LOAD, SECRET[::-1]))

    with pytest.raises(KeyAttributesWeak, match="two keys have this name"):
        Pkcs11Hsm.open(fresh, environment="sandbox")


def test_a_label_like_ours_that_names_no_key_is_refused(fresh: TokenPlace) -> None:
    put(fresh, stored_key(TDES, Use.DERIVE, "ota/province/load/1", SECRET))

    with pytest.raises(KeyAttributesWeak, match="its label names no key"):
        Pkcs11Hsm.open(fresh, environment="sandbox")


def test_keys_of_others_on_the_token_are_left_alone(fresh: TokenPlace) -> None:
    weak = {
        Attribute.CLASS: ObjectClass.SECRET_KEY,
        Attribute.KEY_TYPE: KeyType.AES,
        Attribute.TOKEN: b"\x01",
    }
    put(fresh, {**weak, Attribute.LABEL: "backup", Attribute.VALUE: SECRET})

    assert Pkcs11Hsm.open(fresh, environment="production").health().detail.startswith("0 keys")


@pytest.mark.parametrize("missing", [Attribute.COPYABLE, Attribute.ALLOWED_MECHANISMS])
def test_a_token_that_does_not_know_a_newer_attribute_is_not_blamed(missing: Attribute) -> None:
    """SoftHSM knows both; PKCS #11 2.20 does not."""
    attributes = {
        Attribute.PRIVATE: True,
        Attribute.SENSITIVE: True,
        Attribute.EXTRACTABLE: False,
        Attribute.MODIFIABLE: False,
        Attribute.COPYABLE: False,
        Attribute.DERIVE: True,
        Attribute.KEY_TYPE: int(KeyType.DES2),
        Attribute.ALLOWED_MECHANISMS: (Mechanism.DES3_ECB_ENCRYPT_DATA,),
    }
    del attributes[missing]

    class Told:
        def get_attributes(self, _: object) -> dict[Attribute, Any]:
            return attributes

    told: Any = Told()

    assert checked_use(told, KeyRef(KeyRole.LOAD, "province", 1, Algorithm.TDES), TDES) is Use.DERIVE


def put(place: TokenPlace, *templates: dict[Attribute, Any]) -> None:
    """As the token's own tools might: without a look at the attributes."""

    def work(token: OpenToken, _: None) -> None:
        for template in templates:
            token.created(template)

    TokenSession[None](place, lambda _: None, writable=True).run(work)
