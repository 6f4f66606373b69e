"""Routes for other platforms: a request is let in by its message signature (RFC 9421), its answer is signed too."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol

from flask import current_app, g, request

from ota.core.errors import BadRequest

if TYPE_CHECKING:
    from flask import Flask, Response

DOOR = "ota.city_door"


class Visit(Protocol):
    """A message that was let in."""

    @property
    def city(self) -> str:
        """The name of the city that sent it."""
        ...


class Door(Protocol):
    """Checks messages and signs answers: `ota.city_hosts.door`."""

    def enter(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Visit:
        """Whose message it is; raises Unauthenticated."""
        ...

    def sign(self, visit: Visit, status: int, body: bytes) -> Mapping[str, str]:
        """The headers of a signed answer."""
        ...


def let_in() -> Visit:
    """Check the request's signature before anything in it is read; raises Unauthenticated."""
    if request.query_string:  # not covered by the signature, so it may not say anything
        raise BadRequest(code="query_not_allowed")
    door: Door = current_app.extensions[DOOR]
    headers = {name.lower(): value for name, value in request.headers.items()}
    g.visit = door.enter(request.method, request.path, headers, request.get_data(cache=True))
    return g.visit  # type: ignore[no-any-return]  # g holds anything


def sign_answers(app: Flask) -> None:
    """Sign whatever is answered to a message that was let in, problems too."""
    app.after_request(_sign)


def _sign(answer: Response) -> Response:
    visit = g.get("visit")
    if visit is not None:
        door: Door = current_app.extensions[DOOR]
        signed = door.sign(visit, answer.status_code, answer.get_data())
        answer.headers.update({name: value for name, value in signed.items() if name != "content-type"})
    return answer
