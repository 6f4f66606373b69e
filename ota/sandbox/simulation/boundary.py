"""The instants at which a process can be hurt: around its phases in the database and its calls to the HSM."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final, Protocol

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from ota.card.purse import Load
from ota.core.errors import Unavailable
from ota.core.values import Mac4
from ota.hsm_adapter.errors import HsmUnavailable
from ota.hsm_adapter.keys import CardKey
from ota.hsm_adapter.ports import Hsm
from ota.sandbox.simulation.faults import Fault, Luck
from ota.store.phases import Store

_STALL_S: Final = (0.5, 20.0)
_SLOW_S: Final = (5.0, 40.0)
"""Longer than callers wait before they ask again."""


class Killed(BaseException):
    """The process is dead. Nobody catches it, as nobody catches SIGKILL."""


class Others(Protocol):
    """The rest of the world, seen by a process in the middle of its work."""

    def overtake(self) -> None:
        """Another request is answered, if there is one."""
        ...

    def go_on(self, seconds: float) -> None:
        """So much time passes for everybody else."""
        ...


class Moments:
    """What happens to one process at its instants; ``luck`` is that of the request under way."""

    def __init__(self, others: Others) -> None:
        self.alive = True
        self.luck: Luck | None = None
        self.where = ""
        """The route of the request under way."""
        self._others = others

    def before_phase(self) -> None:
        """Between two phases: others go on, or the database is away."""
        self._let_others_go_on()
        if self._strikes(Fault.DATABASE_DOWN):
            raise Unavailable(code="database_unavailable")

    def before_commit(self) -> None:
        """The last instant at which everything is rolled back."""
        self._stay_alive()
        if self._strikes(Fault.DIES_BEFORE_COMMIT):
            self.die()
        if self._strikes(Fault.DIES_INSIDE_COMMIT):
            self.alive = False
            if self.luck is not None and self.luck.choice.random() < 0.5:
                raise Killed  # the commit never reached the database; otherwise after_commit raises

    def after_commit(self) -> None:
        """Everything is durable, and nobody knows yet."""
        self._stay_alive()
        if self._strikes(Fault.DIES_AFTER_COMMIT):
            self.die()
        if self._strikes(Fault.COMMIT_UNKNOWN):
            raise Unavailable(code="database_unavailable")

    def before_hsm(self) -> None:
        """The HSM is about to be asked."""
        self._let_others_go_on()
        if self._strikes(Fault.HSM_SLOW):
            self._others.go_on(self._seconds(_SLOW_S))
            self._stay_alive()
        if self._strikes(Fault.HSM_DOWN):
            raise HsmUnavailable

    def after_hsm(self) -> None:
        """The HSM has computed."""
        if self._strikes(Fault.HSM_ANSWER_LOST):
            raise HsmUnavailable

    def before_answer(self) -> None:
        """All the work is done, the answer has not left."""
        self._stay_alive()
        if self._strikes(Fault.DIES_BEFORE_ANSWER):
            self.die()

    def die(self) -> None:
        """Be killed."""
        self.alive = False
        raise Killed

    def _let_others_go_on(self) -> None:
        """No transaction is open here: another request may be answered, or this process stands still for seconds."""
        self._stay_alive()
        if self._strikes(Fault.RACE):
            self._others.overtake()
        if self._strikes(Fault.STALL):
            self._others.go_on(self._seconds(_STALL_S))
        self._stay_alive()

    def _seconds(self, between: tuple[float, float]) -> float:
        return self.luck.choice.uniform(*between) if self.luck is not None else 0.0

    def _stay_alive(self) -> None:
        if not self.alive:
            raise Killed

    def _strikes(self, fault: Fault) -> bool:
        return self.luck is not None and self.luck.strikes(fault, self.where)


class GuardedStore(Store):
    """The product's store, with the instants around its phases."""

    def __init__(self, engine: sa.Engine, moments: Moments) -> None:
        super().__init__(engine)
        self._moments = moments

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        """A phase that writes."""
        self._moments.before_phase()
        with super().begin() as tx:
            yield tx
            self._moments.before_commit()
        self._moments.after_commit()

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A look."""
        self._moments.before_phase()
        with super().read() as tx:
            yield tx


class GuardedHsm:
    """The product's software HSM, with the instants around the calls that a load needs.

    ``authorised`` collects every MAC2 that was ever computed, with its load.
    """

    def __init__(self, hsm: Hsm, moments: Moments, authorised: dict[Mac4, Load]) -> None:
        self._hsm = hsm
        self._moments = moments
        self._authorised = authorised

    def check_mac1(self, key: CardKey, load: Load) -> None:
        """Check MAC1."""
        self._moments.before_hsm()
        self._hsm.check_mac1(key, load)
        self._moments.after_hsm()

    def authorise_load(self, key: CardKey, load: Load) -> Mac4:
        """Make MAC2."""
        self._moments.before_hsm()
        mac2 = self._hsm.authorise_load(key, load)
        self._authorised[mac2] = load
        self._moments.after_hsm()
        return mac2

    def verify_tac(self, key: CardKey, load: Load, tac: Mac4) -> None:
        """Check a TAC."""
        self._moments.before_hsm()
        self._hsm.verify_tac(key, load, tac)
        self._moments.after_hsm()

    def __getattr__(self, name: str) -> Any:
        """Everything else is the real HSM's."""
        return getattr(self._hsm, name)
