"""A session with one token: opened when it is first needed, opened again once when something went wrong."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, Final, Generic, TypeVar

from pkcs11 import exceptions

from ota.core.errors import OtaError
from ota.hsm_adapter.pkcs11.errors import HsmPinWrong, TokenUnavailable
from ota.hsm_adapter.pkcs11.library import Library, library
from ota.hsm_adapter.pkcs11.place import TokenPlace
from ota.hsm_adapter.pkcs11.templates import LeanMapper
from ota.hsm_adapter.pkcs11.thread import token_thread
from ota.hsm_adapter.pkcs11.token import OpenToken

Keys = TypeVar("Keys")
Result = TypeVar("Result")

DEADLINE_S: Final = 5.0
"""How long a caller waits for the token, its turn included."""

_PIN_PROBLEMS: Final = (
    exceptions.PinIncorrect,
    exceptions.PinLocked,
    exceptions.PinExpired,
    exceptions.PinInvalid,
    exceptions.PinLenRange,
    exceptions.UserPinNotInitialized,
)

_log: Final = logging.getLogger(__name__)


class TokenSession(Generic[Keys]):
    """Hands work to the token thread with an open token and the keys that ``load`` finds on it.

    Work is done twice at most: after a fault of the token everything is opened anew, since operations are pure.
    A PIN that was refused once is never sent again by this object.
    """

    def __init__(
        self,
        place: TokenPlace,
        load: Callable[[OpenToken], Keys],
        *,
        writable: bool = False,
        deadline_s: float = DEADLINE_S,
    ) -> None:
        self._place = place
        self._load = load
        self._writable = writable
        self._deadline_s = deadline_s
        self._pin_refused = False
        self._token: OpenToken | None = None
        self._keys: Keys | None = None

    def __repr__(self) -> str:
        return f"TokenSession({self._place})"

    def run(self, work: Callable[[OpenToken, Keys], Result]) -> Result:
        """What the work gives. Raises TokenUnavailable, HsmPinWrong, PinUnreadable, and what ``load`` raises."""
        return token_thread().run(lambda: self._repeated(work), self._deadline_s)

    def reload(self) -> None:
        """Look for the keys again at the next work; on the token thread."""
        self._token = None

    def close(self) -> None:
        """Forget the session and every object that it made; other tokens of the library are opened anew when needed."""
        self._token = None
        token_thread().run(self.library.restart, self._deadline_s)

    @property
    def library(self) -> Library:
        """The library that the token is in."""
        return library(self._place.module)

    def _repeated(self, work: Callable[[OpenToken, Keys], Result]) -> Result:
        try:
            return self._done(work)
        except exceptions.PKCS11Error as problem:
            _log.warning("%s: %s; opening it again", self._place, _named(problem))
        self.library.restart()
        try:
            return self._done(work)
        except exceptions.PKCS11Error as problem:
            raise TokenUnavailable(f"{self._place}: {_named(problem)}") from problem

    def _done(self, work: Callable[[OpenToken, Keys], Result]) -> Result:
        token, keys = self._opened()
        try:
            return work(token, keys)
        finally:
            token.end_work()

    def _opened(self) -> tuple[OpenToken, Keys]:
        native = self.library.ready()
        if self._token is None or self._keys is None or not self._token.is_current:
            self._token = None  # what fails below is begun again
            token = OpenToken(self._logged_in(self._find(native)), self.library)
            self._keys = self._loaded(token)
            self._token = token
        return self._token, self._keys

    def _loaded(self, token: OpenToken) -> Keys:
        try:
            return self._load(token)
        except OtaError:
            self.library.restart()  # a refused token's session would stay open, one more with each try
            raise
        finally:
            token.end_work()

    def _find(self, native: Any) -> Any:
        try:
            return native.get_token(token_label=self._place.label)
        except exceptions.NoSuchToken:
            raise TokenUnavailable(f"there is no {self._place}") from None
        except exceptions.MultipleTokensReturned:
            raise TokenUnavailable(f"there is more than one {self._place}") from None

    def _logged_in(self, token: Any) -> Any:
        if self._pin_refused:
            raise HsmPinWrong
        pin = self._place.pin()
        try:
            return token.open(rw=self._writable, user_pin=pin, attribute_mapper=LeanMapper())
        except exceptions.UserAlreadyLoggedIn:  # by another session of this process: the login is the token's
            return token.open(rw=self._writable, attribute_mapper=LeanMapper())
        except _PIN_PROBLEMS as problem:
            self._pin_refused = True
            _log.error("%s: %s; the PIN is not tried again", self._place, _named(problem))
            raise HsmPinWrong from None


def _named(problem: exceptions.PKCS11Error) -> str:
    """The fault's name in PKCS #11, without its text: nobody knows what a library writes there."""
    return type(problem).__name__
