from __future__ import annotations

from dataclasses import replace

import pytest

from ota.card.apdu import Command
from ota.card.globalplatform import commands
from ota.card.keys import Algorithm, KeyRole
from ota.core.values import Mac4
from ota.hsm_adapter.errors import Mac1Wrong
from ota.hsm_adapter.ports import Hsm, KeyWriting, Operation
from ota.hsm_adapter.trail import KeyUse, TrailedHsm, on_behalf_of
from tests.hsm_adapter.elements import Case, Meeting
from tests.hsm_adapter.keyring import a_load, an_hsm, card_key, expected_tac

RANDOM = bytes.fromhex("1FB1F7C0")


def told(hsm: Hsm) -> tuple[TrailedHsm, list[KeyUse]]:
    uses: list[KeyUse] = []
    return TrailedHsm(hsm, uses.append), uses


def test_a_load_is_told_with_its_key_caller_and_order() -> None:
    hsm, uses = told(an_hsm())

    with on_behalf_of("wallet-1", "top_42"):
        hsm.authorise_load(card_key(KeyRole.LOAD), a_load())

    assert uses == [KeyUse(Operation.AUTHORISE_LOAD, ("province/load/1/3DES",), "wallet-1", "top_42", "ok")]


def test_outside_of_an_order_nobody_is_named() -> None:
    hsm, uses = told(an_hsm())
    with on_behalf_of("wallet-1", "top_42"):
        pass

    hsm.kcv(card_key(KeyRole.LOAD))

    assert (uses[0].who, uses[0].subject) == ("-", "-")


def test_a_refusal_is_told_with_its_code() -> None:
    hsm, uses = told(an_hsm())
    load = a_load()

    with pytest.raises(Mac1Wrong):
        hsm.check_mac1(
            card_key(KeyRole.LOAD), replace(load, answer=replace(load.answer, mac1=Mac4(bytes(4))))
        )

    assert [use.outcome for use in uses] == ["mac1_wrong"]


def test_a_failure_without_a_code_is_told_too() -> None:
    hsm, uses = told(an_hsm())

    with pytest.raises(AttributeError):
        hsm.authorise_load(card_key(KeyRole.LOAD), None)  # type: ignore[arg-type]

    assert [use.outcome for use in uses] == ["failed"]


def test_without_a_trace_no_result_is_handed_on() -> None:
    def full(_: KeyUse) -> None:
        raise OSError("no space left")

    with pytest.raises(OSError, match="no space"):
        TrailedHsm(an_hsm(), full).authorise_load(card_key(KeyRole.LOAD), a_load())


def test_asking_whether_a_key_may_authorise_is_no_use_of_it() -> None:
    hsm, uses = told(an_hsm())

    hsm.require_authorising(card_key(KeyRole.LOAD))

    assert uses == []


def test_every_use_of_a_card_key_is_told() -> None:
    hsm, uses = told(an_hsm())
    load = a_load()

    hsm.authorise_loads([(card_key(KeyRole.LOAD), load), (card_key(KeyRole.LOAD_2), load)])
    hsm.verify_tac(card_key(KeyRole.TAC), load, expected_tac(Algorithm.TDES, load))
    hsm.secure_apdu(card_key(KeyRole.APP_BLOCK), RANDOM, Command(0x84, 0x1E, 0, 0))
    hsm.external_auth(card_key(KeyRole.APP_CONTROL), RANDOM)
    hsm.write_key(card_key(KeyRole.LOAD), card_key(KeyRole.APP_CONTROL), RANDOM, KeyWriting(7, 1, bytes(4)))

    assert [(use.operation, len(use.keys)) for use in uses] == [
        (Operation.AUTHORISE_LOAD, 2),
        (Operation.VERIFY_TAC, 1),
        (Operation.SECURE_APDU, 1),
        (Operation.EXTERNAL_AUTH, 1),
        (Operation.WRITE_KEY, 2),
    ]


def test_a_channel_is_told_once_and_each_export() -> None:
    meeting = Meeting(Case(3, 0x70, Algorithm.AES128, 0x33))
    hsm, uses = told(meeting.hsm)
    answer = meeting.initialize_update()

    hsm.predict_channel(meeting.request, answer[:10], answer[29:])
    channel, authenticate = hsm.open_channel(meeting.request, answer)
    hsm.confirm_prediction(channel, answer)
    meeting.element.transmit(authenticate)
    channel, wrapped = hsm.wrap(channel, [commands.get_data(commands.CARD_RECOGNITION_DATA)])
    hsm.unwrap(channel, wrapped[0].ticket, meeting.element.transmit(wrapped[0].apdu))
    hsm.export_card_key(card_key(KeyRole.LOAD), channel)
    hsm.export_card_keys([card_key(KeyRole.LOAD)], channel)

    assert [use.operation for use in uses] == [
        Operation.OPEN_CHANNEL,
        Operation.OPEN_CHANNEL,
        Operation.EXPORT_CARD_KEY,
        Operation.EXPORT_CARD_KEY,
    ]
    assert uses[-1].keys == ("province/load/1/3DES", "platform/sd/48/AES-128")


def test_what_uses_no_key_is_not_told() -> None:
    hsm, uses = told(an_hsm())

    assert hsm.health().ok
    assert len(hsm.random(8)) == 8
    assert hsm.capabilities().backend == "software"
    assert uses == []
