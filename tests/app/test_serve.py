"""``ota serve`` as a stranger starts it."""

from __future__ import annotations

import http.client
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from click.testing import CliRunner

from ota.cli import main
from ota.cli.address import answers
from ota.sandbox import credentials
from tests.app.server import ServerProcess

AUDIENCE = "urn:ota:development"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    running = ServerProcess(tmp_path_factory.mktemp("serve") / "data", "--workers", "2")
    yield running
    code, _, log = running.stop()
    assert code == 0, log
    assert "Traceback" not in log
    assert "Python threads" not in log  # a warning of granian about a number that is meant


def test_it_answers_where_it_says(server: ServerProcess) -> None:
    assert server.ask("GET", "/healthz").json == {"status": "ok"}
    assert server.ask("GET", "/readyz").json["status"] == "ok"


@pytest.mark.parametrize(
    ("caller", "scope"),
    [
        (credentials.wallet(), "topup:write"),
        (credentials.wallet("sandbox-wallet-2"), "issuance:write"),
        (credentials.terminal("foshan"), "terminal:load"),
        (credentials.terminal("guangzhou"), "terminal:load"),
    ],
    ids=lambda value: value if isinstance(value, str) else value.caller_id,
)
def test_the_sandboxs_callers_come_in(
    server: ServerProcess, caller: credentials.Credentials, scope: str
) -> None:
    answer = server.token(caller, AUDIENCE)

    assert answer.status == 200, answer.body
    assert scope in answer.json["scope"].split(" ")


def test_the_sandboxs_clerk_comes_in_with_the_second_factor(server: ServerProcess) -> None:
    answers = [
        server.token(credentials.clerk(), AUDIENCE),
        server.token(credentials.clerk(), AUDIENCE, otp=credentials.one_time_code()),
    ]

    assert [answer.status for answer in answers] == [401, 200]


def test_figures_are_those_of_all_processes(server: ServerProcess) -> None:
    before = _answered(server)
    for _ in range(20):
        server.ask("GET", "/nowhere-to-be-found")

    assert _answered(server) == before + 20


def _answered(server: ServerProcess) -> float:
    start = 'ota_http_requests_total{method="GET",route="-",status="404"} '
    lines = server.ask("GET", "/metrics").body.decode().splitlines()
    return next((float(line.removeprefix(start)) for line in lines if line.startswith(start)), 0.0)


@pytest.mark.parametrize(
    ("raw", "statuses"),
    [
        pytest.param(
            b"POST /v1/token HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Type: application/json\r\n"
            b"Connection: close\r\n\r\n" + b"4000\r\n" + b"x" * 0x4000 + b"\r\n" + b"0\r\n\r\n",
            {415},
            id="chunked",
        ),
        pytest.param(
            b"POST /v1/token HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n"
            b"Content-Type: application/x-www-form-urlencoded\r\nConnection: close\r\n\r\n"
            + (b"8000\r\n" + b"a" * 0x8000 + b"\r\n") * 3
            + b"0\r\n\r\n",
            {413},
            id="chunked and too large",
        ),
        pytest.param(
            b"POST /v1/token HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n"
            b"Content-Type: application/x-www-form-urlencoded\r\nConnection: close\r\n\r\n",
            {413},
            id="announced too large",
        ),
        pytest.param(
            b"GET /%ff%00 HTTP/1.1\r\nHost: \xff\r\nConnection: close\r\n\r\n", {400, 404}, id="host"
        ),
        pytest.param(
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", {400}, id="TLS to a plain port"
        ),
        pytest.param(
            b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"x" * 200_000 + b"\r\n\r\n", {400, 431}, id="headers"
        ),
        pytest.param(
            b"GET /healthz HTTP/1.1\r\nHost: x\r\nAccept-Language: \xff\xfe;q=\x80\r\nConnection: close\r\n\r\n",
            {200},
            id="odd language",
        ),
    ],
)
def test_strange_bytes_get_no_5xx(server: ServerProcess, raw: bytes, statuses: set[int]) -> None:
    parts = urlsplit(server.url)
    with socket.create_connection((parts.hostname or "", parts.port or 0), timeout=10) as connection:
        connection.sendall(raw)
        first = connection.recv(4096)

    assert int(first.split(b" ")[1]) in statuses


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "SIGTERM"])
def test_it_ends_when_told_also_while_somebody_is_connected(tmp_path: Path, number: signal.Signals) -> None:
    server = ServerProcess(tmp_path / "data")
    parts = urlsplit(server.url)
    with socket.create_connection((parts.hostname or "", parts.port or 0), timeout=10) as idle:
        idle.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        idle.recv(100)

        code, seconds, log = server.stop(number)

    assert code == 0
    assert seconds < 10
    assert "Traceback" not in log


def test_a_server_that_is_killed_leaves_nobody_on_its_port(tmp_path: Path) -> None:
    server = ServerProcess(tmp_path / "data")
    parts = urlsplit(server.url)

    server.stop(signal.SIGKILL)
    ends = time.monotonic() + 20
    while answers(server.url) and time.monotonic() < ends:
        time.sleep(0.05)

    with socket.socket() as again:
        again.bind((parts.hostname or "", parts.port or 0))
        assert not answers(server.url)


def test_a_taken_port_is_told(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]

        result = CliRunner().invoke(main, ["serve", "--port", str(port), "--data", str(tmp_path / "data")])

    assert result.exit_code == 1
    assert f"cannot listen on 127.0.0.1:{port}" in result.output


def test_a_chunked_body_is_read(server: ServerProcess) -> None:
    assertion = credentials.wallet().assertion(AUDIENCE)
    form = (
        "grant_type=client_credentials"
        "&client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer"
        f"&client_assertion={assertion}"
    ).encode()
    connection = http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=10)

    connection.request(
        "POST",
        "/v1/token",
        iter([form[:50], form[50:]]),
        {"Content-Type": "application/x-www-form-urlencoded", "Transfer-Encoding": "chunked"},
        encode_chunked=True,
    )
    status = connection.getresponse().status

    connection.close()
    assert status == 200


def test_bodies_that_never_come_do_not_stop_the_server(tmp_path: Path) -> None:
    server = ServerProcess(tmp_path / "data")
    parts = urlsplit(server.url)
    token = server.token(credentials.wallet(), AUDIENCE).json["access_token"]
    unfinished = (
        b"POST /v1/token HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n"
        b"Content-Length: 1000\r\n\r\ngr"
    )

    with ExitStack() as stack:
        for _ in range(200):
            held = socket.create_connection((parts.hostname or "", parts.port or 0), timeout=10)
            stack.enter_context(held).sendall(unfinished)
        time.sleep(1)
        stranger = server.token(credentials.wallet(), AUDIENCE)
        order = server.ask("POST", "/v1/topups", b"{}", Authorization=f"Bearer {token}")
        health = server.ask("GET", "/healthz")
    time.sleep(1)
    afterwards = server.token(credentials.wallet(), AUDIENCE)
    server.stop()

    assert (stranger.status, stranger.json["code"]) == (503, "overloaded")
    assert (order.status, health.status, afterwards.status) == (415, 200, 200)
