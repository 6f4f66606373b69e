"""Looking after a token's keys: putting masters in, moving them on in their life. Sessions of operations cannot write."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from functools import partial
from typing import TYPE_CHECKING, Final

from ota.hsm_adapter.errors import (
    AlgorithmNotSupported,
    KeyMisuse,
    KeyNotUsable,
    KeyRefused,
    TestKeysInProduction,
)
from ota.hsm_adapter.keys import KeyState
from ota.hsm_adapter.pkcs11 import marks
from ota.hsm_adapter.pkcs11.attributes import uses_of
from ota.hsm_adapter.pkcs11.ciphers import Sm4Mechanisms, token_ciphers
from ota.hsm_adapter.pkcs11.masters import Masters, read_masters
from ota.hsm_adapter.pkcs11.session import TokenSession
from ota.hsm_adapter.pkcs11.templates import stored_key
from ota.hsm_adapter.software.published import is_published
from ota.hsm_adapter.software.store import PRODUCTION
from ota.hsm_adapter.software.weakness import weakness

if TYPE_CHECKING:
    from ota.card.keys import Algorithm
    from ota.hsm_adapter.keys import KeyRef
    from ota.hsm_adapter.pkcs11.place import TokenPlace
    from ota.hsm_adapter.pkcs11.token import OpenToken
    from ota.hsm_adapter.ports import KeyEntry
    from ota.hsm_adapter.software.ciphers import Key

_LATER: Final = {
    KeyState.PRE_ACTIVE: frozenset({KeyState.ACTIVE, KeyState.RETIRED}),
    KeyState.ACTIVE: frozenset({KeyState.VERIFY_ONLY, KeyState.RETIRED}),
    KeyState.VERIFY_ONLY: frozenset({KeyState.RETIRED}),
    KeyState.RETIRED: frozenset[KeyState](),
}
_DEADLINE_S: Final = 60.0


class TokenKeys:
    """The keys of one token, for whoever administers them: a `KeyVault` that a ceremony can fill.

    Who may is the token's to say: on SoftHSM it is whoever has the PIN, so this never runs in a server.
    """

    def __init__(self, place: TokenPlace, *, environment: str, sm4: Sm4Mechanisms | None = None) -> None:
        self._ciphers = token_ciphers(sm4)
        self._production = environment == PRODUCTION
        load = partial(read_masters, ciphers=self._ciphers, production=self._production)
        self._session = TokenSession(place, load, writable=True, deadline_s=_DEADLINE_S)

    def __repr__(self) -> str:
        return f"TokenKeys({self._session!r})"

    @property
    def algorithms(self) -> AbstractSet[Algorithm]:
        """Of which algorithms the token can hold keys."""
        return self._ciphers.keys()

    def entries(self) -> Sequence[KeyEntry]:
        """The catalogue, ordered by name."""
        return self._session.run(lambda _token, masters: masters.entries())

    def entry(self, ref: KeyRef) -> KeyEntry:
        """One line of the catalogue; raises KeyUnknown."""
        return self._session.run(lambda _token, masters: masters.get(ref).entry)

    def add(
        self,
        keys: Mapping[KeyRef, Key],
        *,
        test: bool,
        state: KeyState = KeyState.ACTIVE,
        only_missing: bool = False,
        exportable: bool = False,
        wrapping: AbstractSet[KeyRef] = frozenset(),
    ) -> Sequence[KeyEntry]:
        """Put new keys in, after all were checked; the new lines. ``only_missing`` leaves out names that are taken.

        Those of ``wrapping`` that may, wrap; all others derive. None leaves the token in a key block, whatever its
        owner would allow (``exportable``). Raises KeyRefused for a name that is taken, and unless ``test`` marks them,
        for weak and published keys; KeyMisuse for a role that no token key has; AlgorithmNotSupported;
        TestKeysInProduction for marked ones where they may not be.
        """
        del exportable
        if test and self._production:
            raise TestKeysInProduction
        taken = {entry.ref for entry in self.entries()}
        wanted = {ref: key for ref, key in keys.items() if not (only_missing and ref in taken)}
        for ref, key in wanted.items():
            self._check(ref, key, taken, test=test)
        mark = marks.Mark(state, test)
        self._session.run(lambda token, _: self._put(token, wanted, mark, wrapping))
        return [entry for entry in self.entries() if entry.ref in wanted]

    def change_state(self, ref: KeyRef, state: KeyState) -> None:
        """Move a key on in its life; raises KeyUnknown, KeyNotUsable for a step that is not one."""
        self._session.run(lambda token, masters: self._move(token, masters, ref, state))

    def _check(self, ref: KeyRef, key: Key, taken: AbstractSet[KeyRef], *, test: bool) -> None:
        if ref.algorithm not in self._ciphers:
            raise AlgorithmNotSupported(ref.algorithm)
        if not uses_of(ref):
            raise KeyMisuse(ref)
        why = _refusal(ref, key, test=test) if ref not in taken else "the name is taken"
        if why:
            raise KeyRefused(ref, why)

    def _put(
        self, token: OpenToken, keys: Mapping[KeyRef, Key], mark: marks.Mark, wrapping: AbstractSet[KeyRef]
    ) -> None:
        """The mark goes first: a key without one would count as active and as no test key.

        What is there already was put there before a fault of the token: this is done again then.
        """
        there, marked = {ref for ref, _ in marks.labelled(token)}, marks.read(token)
        for ref, key in keys.items():
            if ref in there:
                continue
            use = uses_of(ref)[-1 if ref in wrapping else 0]
            if marked.get(ref) != mark:
                marks.write(token, ref, mark)
            token.created(stored_key(self._ciphers[ref.algorithm], use, marks.label(ref), bytes(key)))
        self._session.reload()

    def _move(self, token: OpenToken, masters: Masters, ref: KeyRef, state: KeyState) -> None:
        entry = masters.get(ref).entry
        if state not in _LATER[entry.state]:
            raise KeyNotUsable(ref, entry.state)
        marks.write(token, ref, marks.Mark(state, entry.test))
        self._session.reload()


def _refusal(ref: KeyRef, key: Key, *, test: bool) -> str | None:
    """Why a key may not come in, or None."""
    if len(key) != ref.algorithm.key_length:
        return f"not {ref.algorithm.key_length} bytes"
    if test:
        return None
    return weakness(ref.algorithm, key) or (
        "published in documents or test vectors" if is_published(key) else None
    )
