"""Several HSMs as one: an operation that one cannot answer is asked of the next, which holds the very same keys.

Operations are pure, so asking again gives the same bytes. An HSM reopens its session and tries again once by itself
(`ota.hsm_adapter.pkcs11.session`); here it is left alone for a while after that, ever longer (a circuit breaker), and
its keys' check values are compared before it is trusted again. A wrong PIN is never tried twice: tokens lock themselves.

Two tokens behind one library share one thread (HSM.md). While one of them hangs in a call the other cannot be asked, and
nothing can end the call; the other is then not blamed for it, so that it answers as soon as the thread is free. Nobody
waits any more once the call has lasted for two deadlines.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TypeVar

from ota.core.errors import OtaError
from ota.hsm_adapter.errors import (
    AlgorithmNotSupported,
    HsmUnavailable,
    KeyStoreDamaged,
    KeyUnknown,
    TestKeysInProduction,
)
from ota.hsm_adapter.keys import CardKey
from ota.hsm_adapter.pkcs11.errors import (
    HsmPinWrong,
    KeyAttributesWeak,
    PinUnreadable,
    TokenThreadTaken,
)
from ota.hsm_adapter.ports import Capabilities, Health

if TYPE_CHECKING:
    from ota.card.apdu import Command
    from ota.card.purse import Load
    from ota.core.values import Mac4
    from ota.hsm_adapter.channel import Channel, ChannelRequest, ExportedKey, WrappedCommand
    from ota.hsm_adapter.errors import Mac1Wrong
    from ota.hsm_adapter.keys import KeyRef
    from ota.hsm_adapter.ports import Hsm, KeyWriting

_log = logging.getLogger(__name__)

Answer = TypeVar("Answer")
Opener = Callable[[], "Hsm"]
CheckValues = Mapping[str, bytes]

DEADLINE_S: Final = 1.5
"""No further HSM is asked once an operation has taken this long: the server's think time per exchange."""

_FIRST_PAUSE_S: Final = 1.0
_LONGEST_PAUSE_S: Final = 60.0
_ABSENT: Final = b""
_CANNOT: Final = (HsmUnavailable, KeyStoreDamaged, OSError)
"""What says that this HSM cannot answer now."""

_SHUTTING: Final = (HsmPinWrong, PinUnreadable, KeyAttributesWeak, TestKeysInProduction)
"""What says that this HSM must not be asked again before a person has looked. Every other error is an answer."""


@dataclass(eq=False)
class _Member:
    """One HSM, and whether it may be asked. ``shut`` says why it may not until the process starts again."""

    name: str
    open: Opener
    hsm: Hsm | None = None
    trusted: bool = False
    failures: int = 0
    rests_until: float = 0.0
    shut: str | None = None
    guard: threading.Lock = field(default_factory=threading.Lock)


class FailoverHsm:
    """The `Hsm` port over several HSMs, in the order in which they are to be asked. Threads may share it.

    ``openers`` opens each by its name; ``keys`` are those whose check values must be the same in all of them. Raises
    HsmUnavailable when none can be opened, and whatever else opening one raises, such as HsmPinWrong.
    """

    def __init__(
        self,
        openers: Mapping[str, Opener],
        keys: Sequence[KeyRef],
        *,
        deadline_s: float = DEADLINE_S,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._members = [_Member(name, open_) for name, open_ in openers.items()]
        self._keys = tuple(CardKey(ref, ()) for ref in keys)
        self._deadline_s = deadline_s
        self._monotonic = monotonic
        self._reference: CheckValues | None = None
        self._agreeing = threading.Lock()
        for member in self._members:
            self._first_opening(member)
        if self._reference is None:
            raise HsmUnavailable

    def __repr__(self) -> str:
        return f"FailoverHsm({', '.join(member.name for member in self._members)})"

    def check_mac1(self, key: CardKey, load: Load) -> None:
        """See `Hsm`."""
        self._ask(lambda hsm: hsm.check_mac1(key, load))

    def require_authorising(self, key: CardKey) -> None:
        """See `Hsm`."""
        self._ask(lambda hsm: hsm.require_authorising(key))

    def authorise_load(self, key: CardKey, load: Load) -> Mac4:
        """See `Hsm`."""
        return self._ask(lambda hsm: hsm.authorise_load(key, load))

    def authorise_loads(self, requests: Sequence[tuple[CardKey, Load]]) -> list[Mac4 | Mac1Wrong]:
        """See `Hsm`."""
        return self._ask(lambda hsm: hsm.authorise_loads(requests))

    def verify_tac(self, key: CardKey, load: Load, tac: Mac4) -> None:
        """See `Hsm`."""
        self._ask(lambda hsm: hsm.verify_tac(key, load, tac))

    def open_channel(
        self, request: ChannelRequest, initialize_update_response: bytes
    ) -> tuple[Channel, bytes]:
        """See `Hsm`."""
        return self._ask(lambda hsm: hsm.open_channel(request, initialize_update_response))

    def predict_channel(
        self, request: ChannelRequest, key_diversification_data: bytes, sequence: bytes
    ) -> tuple[Channel, bytes]:
        """See `Hsm`."""
        return self._ask(lambda hsm: hsm.predict_channel(request, key_diversification_data, sequence))

    def confirm_prediction(self, channel: Channel, initialize_update_response: bytes) -> None:
        """See `Hsm`."""
        self._ask(lambda hsm: hsm.confirm_prediction(channel, initialize_update_response))

    def wrap(self, channel: Channel, commands: Sequence[Command]) -> tuple[Channel, list[WrappedCommand]]:
        """See `Hsm`."""
        return self._ask(lambda hsm: hsm.wrap(channel, commands))

    def unwrap(self, channel: Channel, ticket: str, response: bytes) -> bytes:
        """See `Hsm`."""
        return self._ask(lambda hsm: hsm.unwrap(channel, ticket, response))

    def export_card_key(self, key: CardKey, under: Channel) -> ExportedKey:
        """See `Hsm`."""
        return self._ask(lambda hsm: hsm.export_card_key(key, under))

    def export_card_keys(self, keys: Sequence[CardKey], under: Channel) -> list[ExportedKey]:
        """See `Hsm`."""
        return self._ask(lambda hsm: hsm.export_card_keys(keys, under))

    def secure_apdu(self, key: CardKey, random: bytes, command: Command) -> Command:
        """See `Hsm`."""
        return self._ask(lambda hsm: hsm.secure_apdu(key, random, command))

    def write_key(self, key: CardKey, under: CardKey, random: bytes, writing: KeyWriting) -> Command:
        """See `Hsm`."""
        return self._ask(lambda hsm: hsm.write_key(key, under, random, writing))

    def external_auth(self, key: CardKey, random: bytes) -> bytes:
        """See `Hsm`."""
        return self._ask(lambda hsm: hsm.external_auth(key, random))

    def kcv(self, key: CardKey) -> bytes:
        """See `Hsm`."""
        return self._ask(lambda hsm: hsm.kcv(key))

    def random(self, length: int) -> bytes:
        """See `Hsm`."""
        return self._ask(lambda hsm: hsm.random(length))

    def health(self) -> Health:
        """Whether one of them can answer; ``detail`` tells of each."""
        found = [(member, self._health_of(member)) for member in self._members]
        detail = "; ".join(f"{member.name}: {health.detail}" for member, health in found)
        return Health(ok=any(health.ok for _, health in found), backend="failover", detail=detail)

    def capabilities(self) -> Capabilities:
        """What each of them can do, with the greatest exposure that any of them needs for it."""
        each = [member.hsm.capabilities().operations for member in self._members if member.hsm is not None]
        shared = set(each[0]).intersection(*each)
        return Capabilities("failover", {name: max(known[name] for known in each) for name in shared})

    def _ask(self, question: Callable[[Hsm], Answer]) -> Answer:
        """The answer of the first HSM that can give one; raises its error, or HsmUnavailable."""
        deadline = self._monotonic() + self._deadline_s
        for member in self._members:
            if self._monotonic() > deadline:
                break
            hsm = self._ready(member)
            if hsm is None:
                continue
            try:
                return question(hsm)
            except TokenThreadTaken:
                continue  # another token kept the thread: this one had no chance, and is not to be blamed
            except _CANNOT as problem:
                self._rest(member, problem)
            except _SHUTTING as refusal:
                self._shut(member, refusal.problem_code)
        raise HsmUnavailable

    def _ready(self, member: _Member) -> Hsm | None:
        """The HSM if it may be asked now; one that has rested is tried by one thread while the others go on."""
        if member.trusted:
            return member.hsm
        if member.shut is not None or self._monotonic() < member.rests_until:
            return None
        if not member.guard.acquire(blocking=False):
            return None
        try:
            return self._trusted(member)
        except TokenThreadTaken:
            return None
        except _CANNOT as problem:
            self._rest(member, problem)
        except OtaError as refusal:  # such as a wrong PIN: never tried again
            self._shut(member, refusal.problem_code)
        finally:
            member.guard.release()
        return None

    def _trusted(self, member: _Member) -> Hsm | None:
        """The HSM, opened if it never was, when its keys are those of the others; None when it is shut for that."""
        if member.hsm is None:
            member.hsm = member.open()
        values = self._check_values(member.hsm)
        with self._agreeing:
            self._reference = self._reference or values
        if values != self._reference:
            self._shut(member, "its keys differ")
            return None
        member.trusted, member.failures = True, 0
        return member.hsm

    def _check_values(self, hsm: Hsm) -> CheckValues:
        return {str(key.ref): _kcv(hsm, key) for key in self._keys}

    def _rest(self, member: _Member, problem: Exception) -> None:
        with self._agreeing:
            if self._monotonic() < member.rests_until:
                return  # many threads saw the same failure: it counts once
            member.trusted = False
            member.failures += 1
            pause = min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2.0 ** min(member.failures - 1, 30))
            member.rests_until = self._monotonic() + pause
        _log.error("HSM %s rests for %.0f s: %s", member.name, pause, type(problem).__name__)

    def _shut(self, member: _Member, why: str) -> None:
        member.trusted, member.shut = False, why
        _log.critical("HSM %s is shut until the next start: %s", member.name, why)

    def _first_opening(self, member: _Member) -> None:
        """At start a mistake of configuration is not passed over; only an HSM that is away may be."""
        try:
            self._trusted(member)
        except _CANNOT as problem:
            self._rest(member, problem)

    def _health_of(self, member: _Member) -> Health:
        hsm = self._ready(member)
        if hsm is None:
            return Health(ok=False, backend=member.name, detail=member.shut or "rests after a failure")
        return hsm.health()


def _kcv(hsm: Hsm, key: CardKey) -> bytes:
    """A key's check value, or the mark of one that the HSM does not hold."""
    try:
        return hsm.kcv(key)
    except (KeyUnknown, AlgorithmNotSupported):
        return _ABSENT
