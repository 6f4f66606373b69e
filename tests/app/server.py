"""Starts ``ota serve`` as a process of its own and talks to it over the network."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

from ota.sandbox.credentials import Credentials


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class ServerProcess:
    """One running server; ``url`` is what it printed."""

    def __init__(self, data: Path, *options: str, **environ: str) -> None:
        self.errors = data.with_suffix(".stderr")
        self._log = self.errors.open("wb")
        clean = {name: value for name, value in os.environ.items() if not name.startswith("OTA_")}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "ota.cli", "serve", "--port", "0", "--data", str(data), *options],
            stdout=subprocess.PIPE,
            stderr=self._log,
            env=clean | environ,
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline().decode()
        assert line.startswith("OTA serves at "), self.errors.read_text()
        self.url = line.removeprefix("OTA serves at ").strip()

    def ask(self, method: str, path: str, body: bytes | None = None, **headers: str) -> Answer:
        connection = http.client.HTTPConnection(urlsplit(self.url).netloc, timeout=20)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, body, named)
        answer = connection.getresponse()
        found = Answer(answer.status, dict(answer.getheaders()), answer.read())
        connection.close()
        return found

    def token(self, credentials: Credentials, audience: str, **form: str) -> Answer:
        fields = {
            "grant_type": "client_credentials",
            "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
            "client_assertion": credentials.assertion(audience),
        }
        body = urlencode(fields | form).encode()
        return self.ask("POST", "/v1/token", body, Content_Type="application/x-www-form-urlencoded")

    def stop(self, number: int = signal.SIGTERM) -> tuple[int, float, str]:
        """Exit code, seconds it took and everything on standard error."""
        began = time.monotonic()
        self.process.send_signal(number)
        code = self.process.wait(30)
        assert self.process.stdout is not None
        rest = self.process.stdout.read()
        self.process.stdout.close()
        self._log.close()
        assert rest == b"", "one line on standard output, no more"
        return code, time.monotonic() - began, self.errors.read_text()
