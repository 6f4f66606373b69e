"""The port, answered by this process: each method derives what it needs, uses it once and wipes it."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from functools import cache
from itertools import count
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Self

from ota.core.errors import InvalidValue, OtaError
from ota.hsm_adapter.errors import AlgorithmNotSupported, HsmUnavailable, Mac1Wrong
from ota.hsm_adapter.ports import Capabilities, ExportedKey, Exposure, Health, Operation
from ota.hsm_adapter.software import channels, epurse
from ota.hsm_adapter.software.cardkeys import CardKeys
from ota.hsm_adapter.software.ciphers import check_value, wipe
from ota.hsm_adapter.software.diversify import CARD_KEY_LENGTH
from ota.hsm_adapter.software.epurse import EPurseRules
from ota.hsm_adapter.software.memory import PublishedKeys
from ota.hsm_adapter.software.probe import PROBED, probe, probe_keys
from ota.hsm_adapter.software.store import KeyStore

if TYPE_CHECKING:
    from pathlib import Path

    from ota.card.apdu import Command
    from ota.card.purse import Load
    from ota.core.values import Mac4
    from ota.hsm_adapter.keys import CardKey, KeyRef
    from ota.hsm_adapter.keys import Path as KeyPath
    from ota.hsm_adapter.ports import Channel, ChannelRequest, KeyWriting, WrappedCommand
    from ota.hsm_adapter.software.memory import KeySource
    from ota.hsm_adapter.software.witness import StoreWitness

BACKEND: Final = "software"
_DEFAULT_RULES: Final = EPurseRules()
_MAX_RANDOM: Final = 1024
_TURN: Final = 1000
"""How many card keys of a batch are in memory at once."""


class SoftwareHsm:
    """The `Hsm` port over a key source. Any number of threads may use one instance.

    ``maximum_exposure`` below CARD_KEY makes every key operation raise ExposureRefused: here a derived card key
    is always in this process.
    """

    def __init__(
        self,
        keys: KeySource,
        *,
        rules: EPurseRules = _DEFAULT_RULES,
        maximum_exposure: Exposure = Exposure.CARD_KEY,
    ) -> None:
        self._source = keys
        self._keys = CardKeys(keys, maximum_exposure)
        self._rules = rules

    @classmethod
    def open(
        cls,
        folder: Path,
        *,
        environment: str,
        rules: EPurseRules = _DEFAULT_RULES,
        maximum_exposure: Exposure = Exposure.CARD_KEY,
        administrator: bytes | None = None,
        witness: StoreWitness | None = None,
    ) -> Self:
        """Probe the cryptography and open the key store of a data folder; see `KeyStore` for what it holds it to.

        Raises HsmUnavailable when the probe failed, KeyStoreDamaged, TestKeysInProduction.
        """
        if not _capabilities().operations.keys() >= PROBED:
            raise HsmUnavailable
        return cls(
            KeyStore(folder, environment=environment, administrator=administrator, witness=witness),
            rules=rules,
            maximum_exposure=maximum_exposure,
        )

    def __repr__(self) -> str:
        return f"SoftwareHsm({self._source!r})"

    def check_mac1(self, key: CardKey, load: Load) -> None:
        """Raise Mac1Wrong unless the card's MAC1 holds."""
        card_key = self._keys.derive(key, Operation.CHECK_MAC1)
        try:
            epurse.check_mac1(key.ref.algorithm, card_key, load, self._rules)
        finally:
            wipe(card_key)

    def require_authorising(self, key: CardKey) -> None:
        """Raise KeyNotUsable or KeyUnknown unless the key may authorise loads now; says nothing about a card."""
        self._keys.check(key.ref, Operation.AUTHORISE_LOAD)

    def authorise_load(self, key: CardKey, load: Load) -> Mac4:
        """Verify MAC1, then make MAC2; raises Mac1Wrong."""
        card_key = self._keys.derive(key, Operation.AUTHORISE_LOAD)
        try:
            return epurse.authorise(key.ref.algorithm, card_key, load, self._rules)
        finally:
            wipe(card_key)

    def authorise_loads(self, requests: Sequence[tuple[CardKey, Load]]) -> list[Mac4 | Mac1Wrong]:
        """Many loads; a wrong MAC1 stands at its place. Keys of cards below one key are derived in one go."""
        answers: dict[int, Mac4 | Mac1Wrong] = {}
        groups: dict[tuple[KeyRef, KeyPath], list[int]] = {}
        for place, (key, load) in enumerate(requests):
            if key.path:
                groups.setdefault((key.ref, key.path[:-1]), []).append(place)
            else:
                card_key = self._keys.derive(key, Operation.AUTHORISE_LOAD)
                answers[place] = self._authorised_or_wrong(key.ref, card_key, load)
        for (ref, outer), places in groups.items():
            for start in range(0, len(places), _TURN):
                turn = places[start : start + _TURN]
                answered = self._authorised(ref, outer, [requests[place] for place in turn])
                answers |= zip(turn, answered, strict=True)
        return [answers[place] for place in range(len(requests))]

    def verify_tac(self, key: CardKey, load: Load, tac: Mac4) -> None:
        """Raise TacWrong unless the TAC holds."""
        card_key = self._keys.derive(key, Operation.VERIFY_TAC)
        try:
            epurse.verify_tac(key.ref.algorithm, card_key, load, tac, self._rules)
        finally:
            wipe(card_key)

    def open_channel(
        self, request: ChannelRequest, initialize_update_response: bytes
    ) -> tuple[Channel, bytes]:
        """Check the card's cryptogram and make EXTERNAL AUTHENTICATE."""
        with self._keys.masters(request.keys) as masters:
            return channels.open_channel(masters, request, initialize_update_response)

    def predict_channel(
        self, request: ChannelRequest, key_diversification_data: bytes, sequence: bytes
    ) -> tuple[Channel, bytes]:
        """The same before the card has answered."""
        with self._keys.masters(request.keys) as masters:
            return channels.predict_channel(masters, request, key_diversification_data, sequence)

    def confirm_prediction(self, channel: Channel, initialize_update_response: bytes) -> None:
        """Check the card's real answer against the predicted one."""
        channels.confirm_prediction(channel, initialize_update_response)

    def wrap(self, channel: Channel, commands: Sequence[Command]) -> tuple[Channel, list[WrappedCommand]]:
        """Protect commands in the order in which they will be sent."""
        with self._keys.masters(channel.request.keys) as masters:
            return channels.wrap(masters, channel, commands)

    def unwrap(self, channel: Channel, ticket: str, response: bytes) -> bytes:
        """Check and decipher one answer."""
        with self._keys.masters(channel.request.keys) as masters:
            return channels.unwrap(masters, channel, ticket, response)

    def export_card_key(self, key: CardKey, under: Channel) -> ExportedKey:
        """A card key enciphered for the channel's security domain."""
        return self.export_card_keys((key,), under)[0]

    def export_card_keys(self, keys: Sequence[CardKey], under: Channel) -> list[ExportedKey]:
        """Many card keys; the channel's key is derived once."""
        with self._keys.masters(under.request.keys) as masters, channels.resumed(masters, under) as session:
            return [self._exported(key, session) for key in keys]

    def secure_apdu(self, key: CardKey, random: bytes, command: Command) -> Command:
        """Append the e-purse command MAC."""
        card_key = self._keys.derive(key, Operation.SECURE_APDU)
        try:
            return epurse.secure_command(key.ref.algorithm, card_key, random, command)
        finally:
            wipe(card_key)

    def write_key(self, key: CardKey, under: CardKey, random: bytes, writing: KeyWriting) -> Command:
        """WRITE KEY with both card keys; they must be of one algorithm."""
        if key.ref.algorithm is not under.ref.algorithm:
            raise AlgorithmNotSupported(f"{key.ref.algorithm} under {under.ref.algorithm}")
        wrapping = self._keys.derive(under, Operation.WRITE_KEY)
        card_key = self._keys.derive(key, Operation.EXPORT_CARD_KEY)
        try:
            return epurse.write_key(key.ref.algorithm, card_key, wrapping, random, writing)
        finally:
            wipe(card_key, wrapping)

    def external_auth(self, key: CardKey, random: bytes) -> bytes:
        """The cryptogram of the purse's EXTERNAL AUTHENTICATE."""
        card_key = self._keys.derive(key, Operation.EXTERNAL_AUTH)
        try:
            return epurse.external_auth(key.ref.algorithm, card_key, random)
        finally:
            wipe(card_key)

    def kcv(self, key: CardKey) -> bytes:
        """The key's 3-byte check value."""
        card_key = self._keys.derive(key, Operation.KCV)
        try:
            return check_value(key.ref.algorithm, card_key)
        finally:
            wipe(card_key)

    def random(self, length: int) -> bytes:
        """Random bytes of the operating system, 1 to 1024."""
        if not 1 <= length <= _MAX_RANDOM:
            raise InvalidValue("length", f"1 to {_MAX_RANDOM}")
        return secrets.token_bytes(length)

    def health(self) -> Health:
        """Whether the key store is intact; takes over what another process changed in it."""
        try:
            self._source.refresh()
        except (OtaError, OSError) as problem:
            return Health(ok=False, backend=BACKEND, detail=str(problem))
        return Health(ok=True, backend=BACKEND, detail=f"{len(self._source.entries())} keys")

    def capabilities(self) -> Capabilities:
        """What the start-up probe saw work in this process."""
        return _capabilities()

    def _authorised(
        self, ref: KeyRef, outer: KeyPath, requests: Sequence[tuple[CardKey, Load]]
    ) -> list[Mac4 | Mac1Wrong]:
        factors = [key.path[-1] for key, _ in requests]
        keys = self._keys.derive_many(ref, outer, factors, Operation.AUTHORISE_LOAD)
        try:
            return [
                self._authorised_or_wrong(ref, keys[place : place + CARD_KEY_LENGTH], load)
                for place, (_, load) in zip(count(0, CARD_KEY_LENGTH), requests, strict=False)
            ]
        finally:
            wipe(keys)

    def _authorised_or_wrong(self, ref: KeyRef, card_key: bytearray, load: Load) -> Mac4 | Mac1Wrong:
        try:
            return epurse.authorise(ref.algorithm, card_key, load, self._rules)
        except Mac1Wrong as wrong:
            return wrong
        finally:
            wipe(card_key)

    def _exported(self, key: CardKey, session: channels.Session) -> ExportedKey:
        card_key = self._keys.derive(key, Operation.EXPORT_CARD_KEY)
        try:
            return ExportedKey(session.encipher_key(card_key), check_value(key.ref.algorithm, card_key))
        finally:
            wipe(card_key)


@cache
def _capabilities() -> Capabilities:
    """Every operation is run on published keys and its result compared with a known answer, once per process."""
    passed = probe(SoftwareHsm(PublishedKeys(probe_keys())))
    return Capabilities(BACKEND, MappingProxyType(dict.fromkeys(passed, Exposure.CARD_KEY)))
