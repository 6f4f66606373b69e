"""Who used which key name for what: every key operation is told to a sink, in names only."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ota.core.errors import OtaError
from ota.hsm_adapter.ports import Capabilities, ExportedKey, Health, Operation

if TYPE_CHECKING:
    from ota.card.apdu import Command
    from ota.card.purse import Load
    from ota.core.values import Mac4
    from ota.hsm_adapter.errors import Mac1Wrong
    from ota.hsm_adapter.keys import CardKey
    from ota.hsm_adapter.ports import Channel, ChannelRequest, Hsm, KeyWriting, WrappedCommand

NOBODY: Final = "-"


@dataclass(frozen=True, slots=True)
class KeyUse:
    """One use: the operation, the keys' names, for whom and for which order, and how it ended.

    ``outcome`` is "ok" or the error's code. There is no key, MAC, factor or card number in it.
    """

    operation: Operation
    keys: tuple[str, ...]
    who: str
    subject: str
    outcome: str


Sink = Callable[[KeyUse], None]

_context: ContextVar[tuple[str, str]] = ContextVar("key_use", default=(NOBODY, NOBODY))


@contextmanager
def on_behalf_of(who: str, subject: str) -> Iterator[None]:
    """Say for whom and for which order the keys are used inside the block."""
    token = _context.set((who, subject))
    try:
        yield
    finally:
        _context.reset(token)


def current_subject() -> str:
    """The order for which keys are used now, or "-"."""
    return _context.get()[1]


class TrailedHsm:
    """An `Hsm` that tells a sink about each use of a key, before the result is handed on.

    Where the sink fails the operation fails: no key is used without a trace.
    """

    def __init__(self, hsm: Hsm, sink: Sink) -> None:
        self._hsm = hsm
        self._sink = sink

    def check_mac1(self, key: CardKey, load: Load) -> None:
        """See `Hsm`."""
        with self._told(Operation.CHECK_MAC1, key.ref):
            self._hsm.check_mac1(key, load)

    def require_authorising(self, key: CardKey) -> None:
        """See `Hsm`; uses no key."""
        self._hsm.require_authorising(key)

    def authorise_load(self, key: CardKey, load: Load) -> Mac4:
        """See `Hsm`."""
        with self._told(Operation.AUTHORISE_LOAD, key.ref):
            return self._hsm.authorise_load(key, load)

    def authorise_loads(self, requests: Sequence[tuple[CardKey, Load]]) -> list[Mac4 | Mac1Wrong]:
        """See `Hsm`."""
        with self._told(Operation.AUTHORISE_LOAD, *(key.ref for key, _ in requests)):
            return self._hsm.authorise_loads(requests)

    def verify_tac(self, key: CardKey, load: Load, tac: Mac4) -> None:
        """See `Hsm`."""
        with self._told(Operation.VERIFY_TAC, key.ref):
            self._hsm.verify_tac(key, load, tac)

    def open_channel(
        self, request: ChannelRequest, initialize_update_response: bytes
    ) -> tuple[Channel, bytes]:
        """See `Hsm`."""
        with self._told(Operation.OPEN_CHANNEL, _key_set(request)):
            return self._hsm.open_channel(request, initialize_update_response)

    def predict_channel(
        self, request: ChannelRequest, key_diversification_data: bytes, sequence: bytes
    ) -> tuple[Channel, bytes]:
        """See `Hsm`."""
        with self._told(Operation.OPEN_CHANNEL, _key_set(request)):
            return self._hsm.predict_channel(request, key_diversification_data, sequence)

    def confirm_prediction(self, channel: Channel, initialize_update_response: bytes) -> None:
        """See `Hsm`; uses no key."""
        self._hsm.confirm_prediction(channel, initialize_update_response)

    def wrap(self, channel: Channel, commands: Sequence[Command]) -> tuple[Channel, list[WrappedCommand]]:
        """See `Hsm`; told as part of its channel."""
        return self._hsm.wrap(channel, commands)

    def unwrap(self, channel: Channel, ticket: str, response: bytes) -> bytes:
        """See `Hsm`; told as part of its channel."""
        return self._hsm.unwrap(channel, ticket, response)

    def export_card_key(self, key: CardKey, under: Channel) -> ExportedKey:
        """See `Hsm`."""
        with self._told(Operation.EXPORT_CARD_KEY, key.ref, _key_set(under.request)):
            return self._hsm.export_card_key(key, under)

    def export_card_keys(self, keys: Sequence[CardKey], under: Channel) -> list[ExportedKey]:
        """See `Hsm`."""
        with self._told(Operation.EXPORT_CARD_KEY, *(key.ref for key in keys), _key_set(under.request)):
            return self._hsm.export_card_keys(keys, under)

    def secure_apdu(self, key: CardKey, random: bytes, command: Command) -> Command:
        """See `Hsm`."""
        with self._told(Operation.SECURE_APDU, key.ref):
            return self._hsm.secure_apdu(key, random, command)

    def write_key(self, key: CardKey, under: CardKey, random: bytes, writing: KeyWriting) -> Command:
        """See `Hsm`."""
        with self._told(Operation.WRITE_KEY, key.ref, under.ref):
            return self._hsm.write_key(key, under, random, writing)

    def external_auth(self, key: CardKey, random: bytes) -> bytes:
        """See `Hsm`."""
        with self._told(Operation.EXTERNAL_AUTH, key.ref):
            return self._hsm.external_auth(key, random)

    def kcv(self, key: CardKey) -> bytes:
        """See `Hsm`."""
        with self._told(Operation.KCV, key.ref):
            return self._hsm.kcv(key)

    def random(self, length: int) -> bytes:
        """See `Hsm`; uses no key."""
        return self._hsm.random(length)

    def health(self) -> Health:
        """See `Hsm`; uses no key."""
        return self._hsm.health()

    def capabilities(self) -> Capabilities:
        """See `Hsm`; uses no key."""
        return self._hsm.capabilities()

    @contextmanager
    def _told(self, operation: Operation, *keys: object) -> Iterator[None]:
        outcome = "failed"
        try:
            yield
            outcome = "ok"
        except OtaError as problem:
            outcome = problem.problem_code
            raise
        finally:
            who, subject = _context.get()
            self._sink(KeyUse(operation, tuple(str(key) for key in keys), who, subject, outcome))


def _key_set(request: ChannelRequest) -> str:
    keys = request.keys
    return f"{keys.issuer}/sd/{keys.version}/{keys.algorithm}"
