"""What an exchange costs the server: an issuance (about thirty commands in one batch) and a top-up, on SQLite.

The baseline is a bare Flask endpoint that reads and writes JSON of the same size. In process: no network, one thread.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import cycle

from flask.testing import FlaskClient

from benchmarks.bare import app as bare_app
from benchmarks.installation import Installation, installation
from benchmarks.measure import Comparison, summarise

BODY = b'{"seq":1,"results":[' + b",".join([b'{"i":1,"sw":"9000","data":"00"}'] * 30) + b"]}"
CITIES = ("guangzhou", "foshan", "shenzhen", "dongguan", "zhuhai", "shantou", "huizhou", "zhongshan")


def bench(seconds: float) -> Iterator[Comparison]:
    """Issue cards and load them in turns with the bare endpoint."""
    bare = bare_app.test_client()
    samples: dict[str, list[float]] = {name: [] for name in ("bare Flask", "issuance", "top-up")}
    with installation() as platform:
        _one_card(platform, CITIES[0], {name: [] for name in samples})  # what the first call sets up
        deadline = time.perf_counter() + 3 * seconds
        for city in cycle(CITIES):
            samples["bare Flask"] += [_bare_request(bare) for _ in range(5)]
            _one_card(platform, city, samples)
            if time.perf_counter() > deadline:
                break
    yield summarise("One exchange, server time", samples)


def _one_card(platform: Installation, city: str, samples: dict[str, list[float]]) -> None:
    phone = platform.new_phone()
    platform.connection.take()
    assert phone.get_card(city).ok
    samples["issuance"] += platform.connection.take()
    for _ in range(3):
        assert phone.top_up(1000).ok
    samples["top-up"] += platform.connection.take()


def _bare_request(client: FlaskClient) -> float:
    started = time.perf_counter()
    client.post("/results", data=BODY, content_type="application/json")
    return time.perf_counter() - started
