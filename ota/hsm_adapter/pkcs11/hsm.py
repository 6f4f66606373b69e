"""The port, answered by a PKCS#11 token: master, city, card and session keys stay inside it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Final, Self, TypeVar

from ota.core.errors import InvalidValue, OtaError
from ota.hsm_adapter.errors import AlgorithmNotSupported, Mac1Wrong
from ota.hsm_adapter.pkcs11 import channels, epurse
from ota.hsm_adapter.pkcs11.cardkeys import CardKeys
from ota.hsm_adapter.pkcs11.ciphers import Sm4Mechanisms, token_ciphers
from ota.hsm_adapter.pkcs11.marks import listed
from ota.hsm_adapter.pkcs11.masters import Masters, check_block, read_masters
from ota.hsm_adapter.pkcs11.session import DEADLINE_S, TokenSession
from ota.hsm_adapter.ports import Capabilities, ExportedKey, Exposure, Health, Operation
from ota.hsm_adapter.software.channels import confirm_prediction
from ota.hsm_adapter.software.ciphers import KCV_LENGTH
from ota.hsm_adapter.software.epurse import EPurseRules
from ota.hsm_adapter.software.store import PRODUCTION

if TYPE_CHECKING:
    from ota.card.apdu import Command
    from ota.card.keys import Algorithm
    from ota.card.purse import Load
    from ota.core.values import Mac4
    from ota.hsm_adapter.keys import CardKey
    from ota.hsm_adapter.pkcs11.place import TokenPlace
    from ota.hsm_adapter.pkcs11.token import OpenToken
    from ota.hsm_adapter.ports import Channel, ChannelRequest, KeyWriting, WrappedCommand

BACKEND: Final = "pkcs11"
_DEFAULT_RULES: Final = EPurseRules()
_MAX_RANDOM: Final = 1024
_TURN: Final = 250

Result = TypeVar("Result")


class Pkcs11Hsm:
    """The `Hsm` port over one token. Any number of threads may use one instance; one thread touches the token.

    ``maximum_exposure`` is how much of a card key this deployment lets out of the token; what needs more raises
    ExposureRefused. Without ``capabilities``, as while they are being found out, every operation is tried.
    """

    def __init__(
        self,
        session: TokenSession[Masters],
        *,
        rules: EPurseRules = _DEFAULT_RULES,
        maximum_exposure: Exposure = Exposure.NONE,
        capabilities: Capabilities | None = None,
    ) -> None:
        self._session = session
        self._rules = rules
        self._maximum = maximum_exposure
        self._capabilities = capabilities

    @classmethod
    def open(
        cls,
        place: TokenPlace,
        *,
        environment: str,
        rules: EPurseRules = _DEFAULT_RULES,
        maximum_exposure: Exposure = Exposure.NONE,
        sm4: Sm4Mechanisms | None = None,
        deadline_s: float = DEADLINE_S,
    ) -> Self:
        """Probe the token with published keys, then find and check its own.

        Raises TokenUnavailable, HsmPinWrong, PinUnreadable, KeyAttributesWeak, TestKeysInProduction.
        """
        from ota.hsm_adapter.pkcs11.probe import probed  # noqa: PLC0415  it runs this class

        capabilities = probed(place, sm4=sm4)
        load = partial(read_masters, ciphers=token_ciphers(sm4), production=environment == PRODUCTION)
        session = TokenSession(place, load, deadline_s=deadline_s)
        session.run(lambda _token, _masters: None)
        return cls(session, rules=rules, maximum_exposure=maximum_exposure, capabilities=capabilities)

    def __repr__(self) -> str:
        return f"Pkcs11Hsm({self._session!r})"

    def check_mac1(self, key: CardKey, load: Load) -> None:
        """Raise Mac1Wrong unless the card's MAC1 holds."""
        self._offered(Operation.CHECK_MAC1, key.ref.algorithm)
        self._run(lambda keys: epurse.check_mac1(keys, key, load, self._rules))

    def require_authorising(self, key: CardKey) -> None:
        """Raise KeyNotUsable or KeyUnknown unless the key may authorise loads now; says nothing about a card."""
        self._run(lambda keys: keys.checked(key.ref, Operation.AUTHORISE_LOAD))

    def authorise_load(self, key: CardKey, load: Load) -> Mac4:
        """Verify MAC1, then make MAC2; raises Mac1Wrong."""
        self._offered(Operation.AUTHORISE_LOAD, key.ref.algorithm)
        return self._run(lambda keys: epurse.authorise(keys, key, load, self._rules))

    def authorise_loads(self, requests: Sequence[tuple[CardKey, Load]]) -> list[Mac4 | Mac1Wrong]:
        """Many loads, some hundred in each turn on the token's thread; a wrong MAC1 stands at its place."""
        for key, _ in requests:
            self._offered(Operation.AUTHORISE_LOAD, key.ref.algorithm)
        answers: list[Mac4 | Mac1Wrong] = []
        for start in range(0, len(requests), _TURN):  # others wait for their turn, and each has its deadline
            turn = requests[start : start + _TURN]
            answers += self._run(partial(self._authorised, turn))
        return answers

    def verify_tac(self, key: CardKey, load: Load, tac: Mac4) -> None:
        """Raise TacWrong unless the TAC holds."""
        self._offered(Operation.VERIFY_TAC, key.ref.algorithm)
        self._run(lambda keys: epurse.verify_tac(keys, key, load, tac, self._rules))

    def open_channel(
        self, request: ChannelRequest, initialize_update_response: bytes
    ) -> tuple[Channel, bytes]:
        """Check the card's cryptogram and make EXTERNAL AUTHENTICATE."""
        self._offered(Operation.OPEN_CHANNEL, request.keys.algorithm)
        return self._run(lambda keys: channels.open_channel(keys, request, initialize_update_response))

    def predict_channel(
        self, request: ChannelRequest, key_diversification_data: bytes, sequence: bytes
    ) -> tuple[Channel, bytes]:
        """The same before the card has answered."""
        self._offered(Operation.OPEN_CHANNEL, request.keys.algorithm)
        return self._run(
            lambda keys: channels.predict_channel(keys, request, key_diversification_data, sequence)
        )

    def confirm_prediction(self, channel: Channel, initialize_update_response: bytes) -> None:
        """Check the card's real answer against the predicted one; no key is needed."""
        confirm_prediction(channel, initialize_update_response)

    def wrap(self, channel: Channel, commands: Sequence[Command]) -> tuple[Channel, list[WrappedCommand]]:
        """Protect commands in the order in which they will be sent."""
        return self._run(lambda keys: channels.wrap(keys, channel, commands))

    def unwrap(self, channel: Channel, ticket: str, response: bytes) -> bytes:
        """Check and decipher one answer."""
        return self._run(lambda keys: channels.unwrap(keys, channel, ticket, response))

    def export_card_key(self, key: CardKey, under: Channel) -> ExportedKey:
        """A card key enciphered for the channel's security domain."""
        return self.export_card_keys((key,), under)[0]

    def export_card_keys(self, keys: Sequence[CardKey], under: Channel) -> list[ExportedKey]:
        """Many card keys in one turn on the token's thread."""
        for key in keys:
            self._offered(Operation.EXPORT_CARD_KEY, key.ref.algorithm)
        return self._run(lambda card_keys: channels.export(card_keys, keys, under))

    def secure_apdu(self, key: CardKey, random: bytes, command: Command) -> Command:
        """Append the e-purse command MAC."""
        self._offered(Operation.SECURE_APDU, key.ref.algorithm)
        return self._run(lambda keys: epurse.secure_command(keys, key, random, command))

    def write_key(self, key: CardKey, under: CardKey, random: bytes, writing: KeyWriting) -> Command:
        """WRITE KEY with both card keys; they must be of one algorithm."""
        if key.ref.algorithm is not under.ref.algorithm:
            raise AlgorithmNotSupported(f"{key.ref.algorithm} under {under.ref.algorithm}")
        self._offered(Operation.WRITE_KEY, key.ref.algorithm)
        return self._run(lambda keys: epurse.write_key(keys, key, under, random, writing))

    def external_auth(self, key: CardKey, random: bytes) -> bytes:
        """The cryptogram of the purse's EXTERNAL AUTHENTICATE."""
        self._offered(Operation.EXTERNAL_AUTH, key.ref.algorithm)
        return self._run(lambda keys: epurse.external_auth(keys, key, random))

    def kcv(self, key: CardKey) -> bytes:
        """The key's 3-byte check value, computed: the token's own is wrong for derived keys (HSM.md)."""
        self._offered(Operation.KCV, key.ref.algorithm)
        return self._run(lambda keys: _check_value(keys, key))

    def random(self, length: int) -> bytes:
        """Random bytes of the token, 1 to 1024."""
        if not 1 <= length <= _MAX_RANDOM:
            raise InvalidValue("length", f"1 to {_MAX_RANDOM}")
        return self._session.run(lambda token, _masters: bytes(token.session.generate_random(length * 8)))

    def health(self) -> Health:
        """Whether the token answers; takes over what another process changed on it."""
        try:
            keys = self._session.run(self._refreshed)
        except (OtaError, OSError) as problem:
            return Health(ok=False, backend=BACKEND, detail=str(problem))
        library = self._session.library
        since = f"{library.objects} session objects since start {library.generation} of the library"
        return Health(ok=True, backend=BACKEND, detail=f"{keys} keys, {since}")

    def capabilities(self) -> Capabilities:
        """What the start-up probe saw work."""
        return self._capabilities or Capabilities(BACKEND, {})

    def _refreshed(self, token: OpenToken, masters: Masters) -> int:
        if listed(token) != masters.seen:
            self._session.reload()
            return self._session.run(lambda _token, again: len(again.entries()))
        return len(masters.entries())

    def _offered(self, operation: Operation, algorithm: Algorithm) -> None:
        """Raise AlgorithmNotSupported for what the probe did not see work."""
        if self._capabilities is not None and not self._capabilities.supports(operation, algorithm):
            raise AlgorithmNotSupported(algorithm)

    def _run(self, work: Callable[[CardKeys], Result]) -> Result:
        maximum = self._maximum
        return self._session.run(lambda token, masters: work(CardKeys(token, masters, maximum)))

    def _authorised(self, requests: Sequence[tuple[CardKey, Load]], keys: CardKeys) -> list[Mac4 | Mac1Wrong]:
        return [self._authorised_or_wrong(keys, key, load) for key, load in requests]

    def _authorised_or_wrong(self, keys: CardKeys, key: CardKey, load: Load) -> Mac4 | Mac1Wrong:
        try:
            return epurse.authorise(keys, key, load, self._rules)
        except Mac1Wrong as wrong:
            return wrong
        finally:
            keys.token.end_work()  # not at the end of all: a batch would fill the token with objects


def _check_value(keys: CardKeys, key: CardKey) -> bytes:
    master = keys.checked(key.ref, Operation.KCV)
    if not key.path:
        return master.entry.kcv
    block = check_block(key.ref.algorithm)
    return keys.token.public(keys.card(key, Operation.KCV), master.cipher, block)[:KCV_LENGTH]
