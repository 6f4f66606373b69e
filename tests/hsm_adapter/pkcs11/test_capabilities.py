"""What a token is said to do is what it was seen to do."""

from __future__ import annotations

import pytest

from ota.card.keys import Algorithm, KeyRole
from ota.hsm_adapter.errors import AlgorithmNotSupported
from ota.hsm_adapter.pkcs11 import Pkcs11Hsm, TokenPlace, epurse
from ota.hsm_adapter.pkcs11.how import how
from ota.hsm_adapter.pkcs11.probe import Probed, find_out, probed
from ota.hsm_adapter.pkcs11.token import OpenToken
from ota.hsm_adapter.ports import Exposure, Operation
from tests.hsm_adapter.keyring import a_load, card_key
from tests.hsm_adapter.pkcs11.holders import hsm_of, one_master

TDES = Algorithm.TDES
INSIDE = [
    Probed(Operation.AUTHORISE_LOAD, TDES),
    Probed(Operation.CHECK_MAC1, TDES),
    Probed(Operation.SECURE_APDU, TDES),
    Probed(Operation.EXTERNAL_AUTH, TDES),
    *(Probed(Operation.OPEN_CHANNEL, algorithm) for algorithm in Algorithm if algorithm is not Algorithm.SM4),
    *(Probed(Operation.KCV, algorithm) for algorithm in Algorithm if algorithm is not Algorithm.SM4),
    *(
        Probed(Operation.EXPORT_CARD_KEY, TDES, under)
        for under in (Algorithm.AES128, Algorithm.AES192, Algorithm.AES256)
    ),
]
EXPOSING = [
    Probed(Operation.VERIFY_TAC, TDES),
    Probed(Operation.WRITE_KEY, TDES),
    Probed(Operation.EXPORT_CARD_KEY, TDES, TDES),
]


def test_softhsm_does_these_inside_these_with_exposure_and_no_sm4(place: TokenPlace) -> None:
    found = find_out(place)

    assert {what for what, exposure in found.items() if exposure is Exposure.NONE} == set(INSIDE)
    assert {what for what, exposure in found.items() if exposure is Exposure.CARD_KEY} == set(EXPOSING)
    assert {what.algorithm for what, exposure in found.items() if exposure is None} == {Algorithm.SM4}


def test_of_an_export_the_channel_that_exposes_least_counts(place: TokenPlace) -> None:
    operations = probed(place).operations

    assert operations[Operation.EXPORT_CARD_KEY, TDES] is Exposure.NONE
    assert operations[Operation.VERIFY_TAC, TDES] is Exposure.CARD_KEY


def test_every_operation_has_its_sentence(place: TokenPlace) -> None:
    sentences = {what: how(what) for what in find_out(place)}

    assert all(sentences.values())
    assert "read out" in sentences[Probed(Operation.VERIFY_TAC, TDES)]
    assert "read out" in sentences[Probed(Operation.EXPORT_CARD_KEY, Algorithm.SM4, TDES)]
    assert "wrapped there" in sentences[Probed(Operation.EXPORT_CARD_KEY, TDES, Algorithm.AES256)]
    assert "SCP02" in sentences[Probed(Operation.OPEN_CHANNEL, TDES)]


def test_an_operation_that_gives_another_answer_is_not_offered(
    provisioned: TokenPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A token whose CBC is wrong, whatever its mechanism list says."""
    with monkeypatch.context() as wrong:
        wrong.setattr(epurse, "_mac", lambda *_: bytes(4))
        hsm = Pkcs11Hsm.open(provisioned, environment="sandbox")

    assert not hsm.capabilities().supports(Operation.AUTHORISE_LOAD, TDES)
    assert hsm.capabilities().supports(Operation.EXTERNAL_AUTH, TDES)
    with pytest.raises(AlgorithmNotSupported):
        hsm.authorise_load(card_key(KeyRole.LOAD), a_load())


def test_an_operation_that_the_token_refuses_is_not_offered(
    place: TokenPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pkcs11.exceptions import MechanismInvalid

    def refused(*_: object) -> bytes:
        raise MechanismInvalid

    monkeypatch.setattr(OpenToken, "cmac", refused)

    operations = probed(place).operations

    assert (Operation.OPEN_CHANNEL, Algorithm.AES128) not in operations
    assert (Operation.OPEN_CHANNEL, TDES) in operations


def test_no_published_key_stays_on_the_token(provisioned: TokenPlace) -> None:
    hsm = Pkcs11Hsm.open(provisioned, environment="sandbox")

    keys = hsm._session.run(lambda token, _: len(token.found({})))

    assert keys == 2 * 40  # each key and its mark


def test_without_a_probe_nothing_is_claimed(place: TokenPlace) -> None:
    capabilities = hsm_of(place, one_master()).capabilities()

    assert (capabilities.backend, dict(capabilities.operations)) == ("pkcs11", {})
