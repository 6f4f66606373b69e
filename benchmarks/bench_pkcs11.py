"""What a PKCS#11 token costs beside the software HSM and raw OpenSSL, and where its time goes.

The token is SoftHSM2, which is itself OpenSSL behind PKCS#11: the difference is the way there.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager

from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import Cipher, CipherContext, modes

from benchmarks.measure import Case, Comparison, compare, summarise
from benchmarks.token_worker import BATCH, KEY, LOAD, MASTERS, provision
from ota.hsm_adapter.pkcs11 import Pkcs11Hsm, TokenPlace
from ota.hsm_adapter.pkcs11.ciphers import TDES
from ota.hsm_adapter.pkcs11.initialise import throw_away_token
from ota.hsm_adapter.pkcs11.masters import Masters
from ota.hsm_adapter.pkcs11.session import TokenSession
from ota.hsm_adapter.pkcs11.templates import Use
from ota.hsm_adapter.pkcs11.token import OpenToken
from ota.hsm_adapter.software import SoftwareHsm
from ota.hsm_adapter.software.memory import PublishedKeys

PROCESSES = 2
TURN_S = 0.25


def bench(seconds: float) -> Iterator[Comparison]:
    """Loads on one token: against the software, step by step, and by two processes."""
    with throw_away_token() as place:
        provision(place)
        hsm = Pkcs11Hsm.open(place, environment="sandbox")
        software = SoftwareHsm(PublishedKeys(MASTERS))
        yield compare(
            "Authorising a load on a SoftHSM2 token",
            Case("raw OpenSSL DES", _raw_des()),
            Case("software HSM", lambda: software.authorise_load(KEY, LOAD)),
            Case("token, one load a call", lambda: hsm.authorise_load(KEY, LOAD)),
            Case(f"token, {BATCH} loads a call", lambda: hsm.authorise_loads([(KEY, LOAD)] * BATCH), BATCH),
            seconds=seconds,
        )
        yield _steps(hsm._session, seconds)  # noqa: SLF001  the steps are below the port
        with _workers(place, PROCESSES) as workers:
            yield _beside_each_other(workers, seconds)


def _raw_des() -> Callable[[], object]:
    """Derive the card key from a city's, the session key from that, and MAC five blocks."""
    city = _context(next(iter(MASTERS.values())))
    factor, seed, blocks = bytes(16), bytes(8), bytes(40)

    def run() -> bytes:
        session = _context(city.update(factor)).update(seed)
        return Cipher(TripleDES(session * 3), modes.CBC(bytes(8))).encryptor().update(blocks)

    return run


def _context(key: bytes) -> CipherContext:
    return Cipher(TripleDES(key + key[:8]), modes.ECB()).encryptor()  # noqa: S305  derivation is ECB


def _steps(session: TokenSession[Masters], seconds: float) -> Comparison:
    """A load is: one way to the token's thread and back, two derivations, two MACs, two objects destroyed."""
    return compare(
        "Where a load's time goes on the token",
        Case("to the token's thread and back", lambda: session.run(lambda _token, _masters: None)),
        Case("derive a key and destroy it", _many(session, _derive), BATCH),
        Case("MAC three blocks", _many(session, _mac), BATCH),
        Case("read a public block", _many(session, _read), BATCH),
        seconds=seconds,
    )


def _many(
    session: TokenSession[Masters], step: Callable[[OpenToken, Masters], object]
) -> Callable[[], object]:
    """On the token's thread, and no object left behind."""

    def repeated(token: OpenToken, masters: Masters) -> None:
        for _ in range(BATCH):
            step(token, masters)
            token.end_work()

    return lambda: session.run(repeated)


def _derive(token: OpenToken, masters: Masters) -> object:
    return token.child(masters.get(KEY.ref).handle, TDES, bytes(16), Use.DERIVE)


def _mac(token: OpenToken, masters: Masters) -> object:
    master = masters.get(KEY.ref).handle
    kept = token.kept("benchmark", lambda: (token.child(master, TDES, bytes(16), Use.ENCIPHER),))
    return token.encipher(kept[0], TDES, bytes(24))


def _read(token: OpenToken, masters: Masters) -> object:
    return token.public(masters.get(KEY.ref).handle, TDES, bytes(16))


@contextmanager
def _workers(place: TokenPlace, count: int) -> Iterator[Sequence[subprocess.Popen[str]]]:
    """Processes with the token open, each waiting on its standard input to be told how long to work."""
    command = [sys.executable, "-m", "benchmarks.token_worker", str(place.module), place.label]
    with ExitStack() as stack:
        workers = []
        for _ in range(count):
            worker = subprocess.Popen(  # noqa: S603  this module's own companion
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
            )
            stack.enter_context(worker)  # closes its standard input, at which it ends
            workers.append(worker)
            _tell(worker, place.pin())
        for worker in workers:
            _hear(worker)
        yield workers


def _beside_each_other(workers: Sequence[subprocess.Popen[str]], seconds: float) -> Comparison:
    """What they load together in a time, in turns with what each loads alone: nobody waits for the slower one."""
    alone: list[float] = []
    together: list[float] = []
    for turn in range(max(2, round(seconds / TURN_S))):
        alone.append(_seconds_a_load([workers[turn % len(workers)]]))
        together.append(_seconds_a_load(workers))
    return summarise(
        f"Loads on one token by {PROCESSES} processes",
        {"one process": alone, f"{PROCESSES} processes": together},
    )


def _seconds_a_load(workers: Sequence[subprocess.Popen[str]]) -> float:
    for worker in workers:
        _tell(worker, str(TURN_S))
    return 1 / sum(_hear(worker) for worker in workers)


def _tell(worker: subprocess.Popen[str], line: str) -> None:
    assert worker.stdin is not None
    worker.stdin.write(f"{line}\n")
    worker.stdin.flush()


def _hear(worker: subprocess.Popen[str]) -> float:
    assert worker.stdout is not None
    line = worker.stdout.readline()
    if not line:
        raise RuntimeError("a process of the benchmark ended")
    return float(line)
