"""The fixtures of tests/conftest.py hand out real, empty, private services."""

from __future__ import annotations

import pytest
from redis import Redis
from sqlalchemy import create_engine, text

from ota.hsm_adapter.pkcs11.library import library
from ota.hsm_adapter.pkcs11.thread import token_thread
from ota.store.engine import open_engine
from ota.store.migrations import current, newest
from tests.tokens import Token


@pytest.mark.parametrize("_again", [1, 2])
def test_each_test_gets_an_empty_database(database_url: str, _again: int) -> None:
    engine = create_engine(database_url)

    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE only_here (id INTEGER)"))
        count = connection.execute(text("SELECT count(*) FROM only_here")).scalar_one()

    engine.dispose()
    assert count == 0


def test_a_migrated_database_needs_no_migration(migrated_database_url: str) -> None:
    engine = open_engine(migrated_database_url)

    version = current(engine)

    engine.dispose()
    assert version == newest()


@pytest.mark.parametrize("_again", [1, 2])
def test_each_test_gets_an_empty_redis_database(redis_url: str, _again: int) -> None:
    with Redis.from_url(redis_url) as redis:
        had = redis.dbsize()
        redis.set("only-here", "1")

        assert had == 0


def test_the_pkcs11_token_can_be_opened(pkcs11_token: Token) -> None:
    known = library(pkcs11_token.module)

    def draw() -> bytes:
        known.restart()  # a test before this one may have let the library go, or pointed it to tokens of its own
        token = known.ready().get_token(token_label=pkcs11_token.label)
        with token.open(user_pin=pkcs11_token.user_pin) as session:
            return bytes(session.generate_random(64))

    random = token_thread().run(draw, 20)

    assert len(random) == 8
