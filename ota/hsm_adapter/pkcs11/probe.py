"""The start-up probe: every operation is run on the token with published keys and held against a known answer.

It is run for each exposure a deployment may allow, the least first, so that how much of a key is seen outside is
observed and not declared.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from pkcs11.exceptions import PKCS11Error

from ota.card.keys import Algorithm
from ota.core.errors import OtaError
from ota.hsm_adapter.keys import CARD_ALGORITHMS, KeyState
from ota.hsm_adapter.pkcs11 import known_answers
from ota.hsm_adapter.pkcs11.attributes import uses_of
from ota.hsm_adapter.pkcs11.ciphers import Ciphers, Sm4Mechanisms, token_ciphers
from ota.hsm_adapter.pkcs11.hsm import BACKEND, Pkcs11Hsm
from ota.hsm_adapter.pkcs11.marks import Mark
from ota.hsm_adapter.pkcs11.masters import Master, Masters, master_of
from ota.hsm_adapter.pkcs11.session import TokenSession
from ota.hsm_adapter.pkcs11.templates import known_key
from ota.hsm_adapter.ports import Capabilities, Exposure, Operation
from ota.hsm_adapter.software.probe import PROBED, probe

if TYPE_CHECKING:
    from ota.hsm_adapter.keys import KeyRef
    from ota.hsm_adapter.pkcs11.place import TokenPlace
    from ota.hsm_adapter.pkcs11.token import OpenToken

DEADLINE_S: Final = 60.0
_TEST: Final = Mark(KeyState.ACTIVE, test=True)


@dataclass(frozen=True, slots=True, order=True)
class Probed:
    """What was tried: the operation, the algorithm of its key, for an export the channel's key set."""

    operation: Operation
    algorithm: Algorithm
    under: Algorithm | None = None


Findings = dict[Probed, Exposure | None]
"""The least exposure at which the known answer came, None where it never came."""


def probed(place: TokenPlace, *, sm4: Sm4Mechanisms | None = None) -> Capabilities:
    """What works on the token; an export counts with the channel that exposes least.

    Raises TokenUnavailable, HsmPinWrong, PinUnreadable.
    """
    best: dict[tuple[Operation, Algorithm], Exposure] = {}
    for what, exposure in find_out(place, sm4=sm4).items():
        if exposure is not None:
            name = (what.operation, what.algorithm)
            best[name] = min(exposure, best.get(name, exposure))
    return Capabilities(BACKEND, MappingProxyType(best))


def find_out(place: TokenPlace, *, sm4: Sm4Mechanisms | None = None) -> Findings:
    """Run everything on the token; its library is begun afresh after that, so that no published key stays in it."""
    session = TokenSession(place, partial(_published, ciphers=token_ciphers(sm4)), deadline_s=DEADLINE_S)
    session.run(lambda _token, _masters: None)
    findings: Findings = dict.fromkeys(_all(), None)
    for maximum in sorted(Exposure):
        hsm = Pkcs11Hsm(session, maximum_exposure=maximum)
        for what in _passed(hsm):
            if findings[what] is None:
                findings[what] = maximum
    session.close()
    return findings


def _published(token: OpenToken, ciphers: Ciphers) -> Masters:
    """The probe's keys as objects of the session. A key that the token does not take is not there."""
    masters: dict[KeyRef, Master] = {}
    for ref, value in known_answers.published_keys().items():
        cipher = ciphers.get(ref.algorithm)
        if cipher is None:
            continue
        use = uses_of(ref)[-1 if known_answers.wraps(ref) else 0]
        with suppress(PKCS11Error):
            handle = token.created(known_key(cipher, use, value))
            masters[ref] = master_of(token, ref, handle, cipher, use, _TEST)
    return Masters(masters, None)


def _passed(hsm: Pkcs11Hsm) -> Sequence[Probed]:
    """What gave the known answer: the probe of every backend, and what needs derived keys here."""
    own = _own_checks()
    passed = [Probed(*what) for what in probe(hsm) if Probed(*what) not in own]
    for what, check in own.items():
        with suppress(OtaError):
            if check(hsm):
                passed.append(what)
    return [what for what in passed if what in _all()]


def _all() -> set[Probed]:
    common = {Probed(*what) for what in PROBED if what[0] is not Operation.EXPORT_CARD_KEY}
    return common | set(_own_checks())


def _own_checks() -> dict[Probed, Callable[[Pkcs11Hsm], bool]]:
    checks: dict[Probed, Callable[[Pkcs11Hsm], bool]] = {}
    for algorithm in sorted(CARD_ALGORITHMS):
        checks[Probed(Operation.SECURE_APDU, algorithm)] = partial(known_answers.secures, algorithm)
        checks[Probed(Operation.WRITE_KEY, algorithm)] = partial(known_answers.writes_key, algorithm)
        for domain in known_answers.DOMAINS:
            what = Probed(Operation.EXPORT_CARD_KEY, algorithm, domain.keys.algorithm)
            checks[what] = partial(known_answers.exports, algorithm, domain)
    for algorithm in (Algorithm.AES128, Algorithm.AES192, Algorithm.AES256):
        checks[Probed(Operation.KCV, algorithm)] = partial(known_answers.knows_aes_kcv, algorithm)
    return checks
