from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from click.testing import CliRunner, Result

from ota.sandbox.cli import main
from ota.sandbox.element.server import ElementServer
from ota.sandbox.private_server import private_server


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a real platform."""
    with private_server(tmp_path_factory.mktemp("platform")) as url:
        yield url


@contextmanager
def on_a_line(card: Any) -> Iterator[str]:
    """A card behind the line protocol: anything with `transmit` and `reset`."""
    line = ElementServer(card, "127.0.0.1", 0)
    thread = threading.Thread(target=line.serve_forever)
    thread.start()
    try:
        yield line.address
    finally:
        line.close()
        thread.join(5)


def run(*arguments: str) -> Result:
    """The command line, in this process."""
    return CliRunner().invoke(main, list(arguments), catch_exceptions=False)


def told(*arguments: str) -> tuple[int, dict[str, Any]]:
    """Exit code, and the one object that was printed."""
    result = run(*arguments, "--json")
    (line,) = result.stdout.splitlines()
    content: dict[str, Any] = json.loads(line)
    return result.exit_code, content
