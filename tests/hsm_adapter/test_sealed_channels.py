"""A channel out of the database is used only as it was put there, and for its own order."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from ota.card.apdu import Command
from ota.card.globalplatform.variant import ScpVariant
from ota.card.keys import Algorithm, KeyRole
from ota.hsm_adapter.channel import Channel
from ota.hsm_adapter.errors import ChannelAltered
from ota.hsm_adapter.ports import KeyWriting
from ota.hsm_adapter.sealed_channels import SealedChannels
from ota.hsm_adapter.software.kek import Stamp, stamp
from ota.hsm_adapter.trail import on_behalf_of
from tests.hsm_adapter.elements import CASES, Case, Meeting
from tests.hsm_adapter.keyring import a_load, an_hsm, card_key, expected_tac

STATUS = Command(0x80, 0xF2, 0x40, 0x00, bytes.fromhex("4F00"))
KEK = bytes(range(32))
RANDOM = bytes.fromhex("1FB1F7C0")
FULL = Case(3, 0x70, Algorithm.AES128, 0x33)


def sealed(meeting: Meeting, kek: bytes = KEK) -> SealedChannels:
    return SealedChannels(meeting.hsm, Stamp(kek, "channel"))


def opened(meeting: Meeting, hsm: SealedChannels) -> Channel:
    channel, command = hsm.open_channel(meeting.request, meeting.initialize_update())
    assert meeting.element.transmit(command)[-2:].hex() == "9000"
    return channel


def stored(channel: Channel) -> Channel:
    return Channel.from_json(channel.to_json())


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_stored_channel_goes_on_where_it_was(case: Case) -> None:
    meeting = Meeting(case)
    hsm = sealed(meeting)
    channel, first = hsm.wrap(stored(opened(meeting, hsm)), [STATUS])
    hsm.unwrap(stored(channel), first[0].ticket, meeting.element.transmit(first[0].apdu))

    after, second = hsm.wrap(stored(channel), [STATUS])
    answer = hsm.unwrap(stored(after), second[0].ticket, meeting.element.transmit(second[0].apdu))

    assert answer[-2:].hex() == "9000"


CHANGES: dict[str, Callable[[Channel], Channel]] = {
    "counter": lambda channel: replace(channel, counter=channel.counter + 1),
    "counter set back": lambda channel: replace(channel, counter=0),
    "chaining": lambda channel: replace(channel, chaining=bytes(16)),
    "level": lambda channel: replace(channel, request=replace(channel.request, level=0x01)),
    "variant": lambda channel: replace(channel, request=replace(channel.request, scp=ScpVariant(3, 0x60))),
    "host challenge": lambda channel: replace(
        channel, request=replace(channel.request, host_challenge=bytes(8))
    ),
    "key version": lambda channel: replace(channel, request=replace(channel.request, key_version=1)),
    "card's answer": lambda channel: replace(
        channel, initialize_update_response=bytes(10) + channel.initialize_update_response[10:]
    ),
    "no seal": lambda channel: replace(channel, seal=b""),
    "half a seal": lambda channel: replace(channel, seal=channel.seal[:16]),
    "another seal": lambda channel: replace(channel, seal=bytes(32)),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_channel_is_not_used_for_anything(change: str) -> None:
    meeting = Meeting(FULL)
    hsm = sealed(meeting)
    channel, wrapped = hsm.wrap(opened(meeting, hsm), [STATUS])
    altered = CHANGES[change](channel)
    answer = meeting.element.transmit(wrapped[0].apdu)
    key = card_key(KeyRole.LOAD)

    for use in (
        lambda: hsm.wrap(altered, [STATUS]),
        lambda: hsm.unwrap(altered, wrapped[0].ticket, answer),
        lambda: hsm.export_card_key(key, altered),
        lambda: hsm.export_card_keys([key], altered),
        lambda: hsm.confirm_prediction(altered, channel.initialize_update_response),
    ):
        with pytest.raises(ChannelAltered):
            use()


@pytest.mark.parametrize("case", [FULL, Case(2, 0x55, Algorithm.TDES, 0x03)], ids=str)
def test_card_keys_leave_under_a_stored_channel(case: Case) -> None:
    meeting = Meeting(case)
    hsm = sealed(meeting)
    channel = stored(opened(meeting, hsm))
    key = card_key(KeyRole.LOAD)

    exported = hsm.export_card_key(key, channel)

    assert exported == meeting.hsm.export_card_key(key, channel)
    assert hsm.export_card_keys([key, key], channel) == [exported, exported]


@pytest.mark.parametrize("field", ["chaining", "initialize_update_response", "seal", "host_challenge"])
def test_every_flipped_bit_of_the_state_is_noticed(field: str) -> None:
    meeting = Meeting(FULL)
    hsm = sealed(meeting)
    kept = json.loads(opened(meeting, hsm).to_json())

    for bit in range(len(kept[field]) * 4):
        flipped = bytearray.fromhex(kept[field])
        flipped[bit // 8] ^= 1 << bit % 8
        with pytest.raises(ChannelAltered):
            hsm.wrap(Channel.from_json(json.dumps(kept | {field: flipped.hex()})), [STATUS])


@pytest.mark.parametrize(
    "change",
    [
        lambda ticket: "2" + ticket[1:],
        lambda ticket: ticket[:-1] + ("0" if ticket[-1] != "0" else "1"),
        lambda ticket: ticket.rpartition(".")[0],
        lambda ticket: ticket[:0],
        lambda ticket: ticket + "\u00e9",
    ],
)
def test_a_changed_ticket_unwraps_nothing(change: Callable[[str], str]) -> None:
    meeting = Meeting(FULL)
    hsm = sealed(meeting)
    channel, wrapped = hsm.wrap(opened(meeting, hsm), [STATUS])
    answer = meeting.element.transmit(wrapped[0].apdu)

    with pytest.raises(ChannelAltered):
        hsm.unwrap(channel, change(wrapped[0].ticket), answer)


def test_a_channel_serves_its_own_order_only() -> None:
    meeting = Meeting(FULL)
    hsm = sealed(meeting)
    with on_behalf_of("wallet", "iss_1"):
        channel = opened(meeting, hsm)

    with on_behalf_of("wallet", "iss_2"), pytest.raises(ChannelAltered):
        hsm.wrap(channel, [STATUS])

    with on_behalf_of("another process", "iss_1"):
        assert len(hsm.wrap(channel, [STATUS])[1]) == 1


def test_a_ticket_serves_its_own_channel_only() -> None:
    meeting, other = Meeting(FULL), Meeting(FULL, sequence=77)
    hsm = sealed(meeting)
    _, wrapped = hsm.wrap(opened(meeting, hsm), [STATUS])
    elsewhere = sealed(other)
    channel, theirs = elsewhere.wrap(opened(other, elsewhere), [STATUS])
    answer = other.element.transmit(theirs[0].apdu)

    with pytest.raises(ChannelAltered):
        elsewhere.unwrap(channel, wrapped[0].ticket, answer)


def test_the_seal_of_another_installation_is_none() -> None:
    meeting = Meeting(FULL)
    channel = opened(meeting, sealed(meeting))

    with pytest.raises(ChannelAltered):
        sealed(meeting, bytes(32)).wrap(channel, [STATUS])


def test_a_predicted_channel_is_sealed_like_the_real_one() -> None:
    meeting = Meeting(FULL)
    hsm = sealed(meeting)
    answer = Meeting(FULL).initialize_update()

    channel, _ = hsm.predict_channel(meeting.request, answer[:10], answer[-3:])
    hsm.confirm_prediction(stored(channel), meeting.initialize_update())

    assert len(channel.seal) == 32


def test_a_seal_comes_from_the_data_folder_and_shows_nothing(tmp_path: Path) -> None:
    made = stamp(tmp_path, "channel")

    assert made.of(b"content") == stamp(tmp_path, "channel").of(b"content")
    assert made.of(b"content") != stamp(tmp_path, "another purpose").of(b"content")
    assert repr(made) == "Stamp(channel)"


def test_the_stored_text_says_no_more_than_before_and_the_seal() -> None:
    meeting = Meeting(FULL)

    kept = json.loads(opened(meeting, sealed(meeting)).to_json())

    assert len(kept.pop("seal")) == 64
    assert kept["counter"] == 0


def test_every_other_verb_is_passed_on() -> None:
    hsm, bare = SealedChannels(an_hsm(), Stamp(KEK, "channel")), an_hsm()
    load_key, control, load = card_key(KeyRole.LOAD), card_key(KeyRole.APP_CONTROL), a_load()
    block = Command(0x84, 0x1E, 0, 0)

    hsm.check_mac1(load_key, load)
    hsm.require_authorising(load_key)
    hsm.verify_tac(card_key(KeyRole.TAC), load, expected_tac(Algorithm.TDES, load))

    assert hsm.authorise_load(load_key, load) == bare.authorise_load(load_key, load)
    assert hsm.authorise_loads([(load_key, load)]) == [bare.authorise_load(load_key, load)]
    assert hsm.kcv(load_key) == bare.kcv(load_key)
    assert hsm.external_auth(control, RANDOM) == bare.external_auth(control, RANDOM)
    assert hsm.secure_apdu(card_key(KeyRole.APP_BLOCK), RANDOM, block) == bare.secure_apdu(
        card_key(KeyRole.APP_BLOCK), RANDOM, block
    )
    writing = KeyWriting(7, 1, bytes(4))
    assert hsm.write_key(load_key, control, RANDOM, writing) == bare.write_key(
        load_key, control, RANDOM, writing
    )
    assert len(hsm.random(8)) == 8
    assert hsm.health().ok
    assert hsm.capabilities() == bare.capabilities()
