"""Takes in the bodies of requests, a limited number at a time, so that whoever sends slowly holds nothing that others need.

The server's input blocks until bytes come, and nothing in Python can interrupt it: a time limit belongs to the proxy in
front. Here it is made sure that bodies which do not come cost a place among bodies and nothing else.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import TYPE_CHECKING, Final

from flask import current_app, request

from ota.core.errors import Unauthenticated
from ota.web import metrics
from ota.web.admission import Overloaded
from ota.web.bearer import authenticate
from ota.web.json_body import MAX_BODY
from ota.web.policy import Policy, policy_of

if TYPE_CHECKING:
    from flask import Flask

_LANE: Final = "body"


class Bodies:
    """Places for bodies that are on their way: the first half for everybody, the rest for whose token holds.

    Strangers, who need no more than an address to be slow, can so never keep out those who are at work.
    """

    def __init__(self, most: int) -> None:
        if most < 2:
            raise ValueError("expected a place for everybody and one for those with a token")
        self._open = threading.BoundedSemaphore(most // 2)
        self._reserved = threading.BoundedSemaphore(most - most // 2)

    @contextmanager
    def place(self, is_known: Callable[[], bool]) -> Iterator[None]:
        """Hold a place while a body is read; raises Overloaded. ``is_known`` is asked only when it decides."""
        taken = self._take(is_known)
        try:
            yield
        finally:
            taken.release()

    def _take(self, is_known: Callable[[], bool]) -> threading.BoundedSemaphore:
        if self._open.acquire(blocking=False):
            return self._open
        if is_known() and self._reserved.acquire(blocking=False):
            return self._reserved
        metrics.count_turned_away(_LANE)
        raise Overloaded


def take_in(app: Flask, bodies: Bodies) -> None:
    """Read the body of every request of this application that may have one, before anything else looks at it."""

    def take() -> None:
        policy = policy_of(current_app.view_functions.get(request.endpoint or ""))
        if policy is None or not policy.takes_a_place(request.method):
            return  # nobody reads it
        if not _may_have_a_body():
            request.environ["wsgi.input"] = BytesIO()  # nor may anybody wait for what was never announced
            return
        with bodies.place(lambda: _is_known(policy)):
            _measure()
            request.get_data()

    app.before_request(take)


def _may_have_a_body() -> bool:
    announced = request.content_length
    if announced is not None:
        return announced > 0
    # A chunked one has no length, whatever the method: the gate reads what a GET announces so, too.
    return request.method not in {"GET", "HEAD"} or "Transfer-Encoding" in request.headers


def _measure() -> None:
    """Give a body without a length its length, at most one byte more than is allowed, so that the limit refuses it.

    Werkzeug would cut one that is too long instead of refusing it.
    """
    if request.content_length is not None:
        return
    environ = request.environ
    body = environ["wsgi.input"].read(MAX_BODY + 1)
    environ.pop("HTTP_TRANSFER_ENCODING", None)
    environ |= {"wsgi.input": BytesIO(body), "CONTENT_LENGTH": str(len(body))}


def _is_known(policy: Policy) -> bool:
    """Whether the request shows a token that holds; what its route asks for is looked at later."""
    if policy.scope is None:
        return False
    try:
        authenticate()
    except Unauthenticated:
        return False
    return True
