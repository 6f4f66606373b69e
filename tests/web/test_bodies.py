"""Bodies that do not come: they cost places among bodies, and strangers cannot take them all."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from io import BytesIO
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from ota import wiring
from ota.app import create_app
from ota.web.admission import Gate, Overloaded, Room, admit
from ota.web.bodies import Bodies
from ota.web.json_body import MAX_BODY
from tests.platform import problem
from tests.web.conftest import Door, Post

FORM = "application/x-www-form-urlencoded"
THING = {"name": "x", "amount": 1}


class Silent(BytesIO):
    """A body that is announced and does not come until it is given up."""

    def __init__(self) -> None:
        super().__init__(bytes(100))
        self.is_read, self.given_up = threading.Event(), threading.Event()

    def read(self, _size: int | None = -1, /) -> bytes:
        self.is_read.set()
        self.given_up.wait(30)
        return b""

    def readinto(self, _buffer: Any, /) -> int:
        self.read()
        return 0


@pytest.fixture
def bodies() -> Bodies:
    return Bodies(4)


@pytest.fixture
def app(built: wiring.Wiring, bodies: Bodies) -> Flask:
    return create_app(built, bodies=bodies)


@contextmanager
def silent(app: Flask, count: int, **headers: str) -> Iterator[list[int]]:
    """So many requests whose bodies do not come; afterwards their statuses."""
    sent = [Silent() for _ in range(count)]
    statuses: list[int] = []

    def post(body: Silent) -> None:
        answer = app.test_client().post(
            "/v1/things" if headers else "/v1/token",
            input_stream=body,
            content_length=100,
            headers=headers,
            content_type="application/json" if headers else FORM,
        )
        statuses.append(answer.status_code)

    with ThreadPoolExecutor(count) as pool:
        for body in sent:
            pool.submit(post, body)
        assert all(body.is_read.wait(10) for body in sent)
        try:
            yield statuses
        finally:
            for body in sent:
                body.given_up.set()


def test_strangers_who_send_slowly_keep_out_strangers_only(app: Flask, make: Post, door: Door) -> None:
    with silent(app, 2) as statuses:
        stranger = door.client.post("/v1/token", data=b"grant_type=x", content_type=FORM)
        forger = door.client.post("/v1/things", json=THING, headers={"Authorization": "Bearer x.y.z"})
        caller = make(THING)
        reader = door.client.get("/healthz")
    afterwards = door.client.post("/v1/token", data=b"grant_type=x", content_type=FORM)

    assert (problem(stranger), problem(forger)) == ((503, "overloaded"), (503, "overloaded"))
    assert stranger.headers["Retry-After"] == "2"
    assert (caller.status_code, reader.status_code) == (201, 200)
    assert (statuses, afterwards.status_code) == ([400, 400], 400)


def test_callers_who_send_slowly_keep_out_nobody_for_good(app: Flask, make: Post, door: Door) -> None:
    headers = door.headers()
    with silent(app, 4, **headers) as statuses:
        refused = make(THING)
        read = door.client.get("/v1/things/x", headers=headers)
    taken = make(THING)

    assert problem(refused) == (503, "overloaded")
    assert (read.status_code, taken.status_code) == (200, 201)
    assert len(statuses) == 4


def test_what_has_no_body_needs_no_place(app: Flask, door: Door) -> None:
    headers = door.headers()
    with silent(app, 4, **headers):
        answers = [
            door.client.get("/v1/things/x", headers=headers),
            door.client.get("/openapi.json"),
            door.client.post("/v1/nowhere", json=THING),
        ]

    assert [answer.status_code for answer in answers] == [200, 200, 404]


def test_a_question_that_announces_a_body_in_pieces_needs_a_place(app: Flask, door: Door) -> None:
    with silent(app, 2):
        refused = door.client.get("/v1/things/x", headers={"Transfer-Encoding": "chunked"})

    assert problem(refused) == (503, "overloaded")


def test_nobody_waits_for_the_body_of_a_question_that_announces_none(app: Flask, door: Door) -> None:
    body = Silent()
    body.given_up.set()

    answer = create_admitted(app).get(
        "/v1/things/x",
        environ_overrides={"wsgi.input": body, "wsgi.input_terminated": True},
        headers=door.headers(),
    )

    assert (answer.status_code, body.is_read.is_set()) == (200, False)


def test_a_refusal_for_too_many_bodies_is_counted(bodies: Bodies, client: FlaskClient) -> None:
    def turned_away() -> str:
        lines = client.get("/metrics").text.splitlines()
        return next((x for x in lines if x.startswith('ota_requests_turned_away_total{lane="body"}')), "")

    before = turned_away()
    with bodies.place(_no), bodies.place(_no), pytest.raises(Overloaded), bodies.place(_no):
        pass

    assert turned_away() != before


def test_who_is_known_is_asked_only_when_it_decides(bodies: Bodies) -> None:
    asked: list[bool] = []

    def yes() -> bool:
        asked.append(True)
        return True

    with bodies.place(yes), bodies.place(yes):
        unasked = list(asked)
        with bodies.place(yes), bodies.place(yes), pytest.raises(Overloaded), bodies.place(yes):
            pass

    assert (unasked, len(asked)) == ([], 3)


@pytest.mark.parametrize(
    ("size", "status"), [(MAX_BODY, 400), (MAX_BODY + 1, 413), (3 * MAX_BODY, 413)], ids=str
)
def test_a_body_without_a_length_is_held_to_the_limit(client: FlaskClient, size: int, status: int) -> None:
    answer = client.post(
        "/v1/token",
        input_stream=BytesIO(b"a" * size),
        content_type=FORM,
        environ_overrides={"wsgi.input_terminated": True},
        headers={"Transfer-Encoding": "chunked"},
    )

    assert answer.status_code == status


@pytest.mark.parametrize("most", [-1, 0, 1])
def test_places_that_leave_none_for_either_are_refused(most: int) -> None:
    with pytest.raises(ValueError, match="a place for everybody"):
        Bodies(most)


def create_admitted(app: Flask) -> FlaskClient:
    """The application behind a gate, which reads every body."""
    admit(app, Gate(Room(2, 1, 2)))
    return app.test_client()


def _no() -> bool:
    return False
