"""``ota webhooks``, as typed, on an installation whose wallet's server did not answer for days."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from ota.cli import main
from tests.events.wallets import DAYS, Post
from tests.platform import Platform, make_platform, platform, sqlite_url

__all__ = ["make_platform", "platform", "sqlite_url"]


def ota(*arguments: str, data: Path) -> Result:
    url = f"sqlite:///{data / 'ota.sqlite3'}"
    words = [*arguments, "--data", str(data / "data")]
    return CliRunner().invoke(main, words, env={"OTA_DATABASE_URL": url, "COLUMNS": "200"})


@pytest.fixture
def given_up(platform: Platform) -> Post:
    post = Post(platform)
    post.wallets.says = lambda *_: 500
    post.write("lost")
    post.run()
    post.wait(DAYS)
    return post


def test_what_a_wallet_has_not_taken_is_listed(given_up: Post, tmp_path: Path) -> None:
    shown = ota("webhooks", "status", data=tmp_path)
    listed = ota("webhooks", "status", "--json", data=tmp_path)

    (wallet,) = json.loads(listed.output)["wallets"]
    assert given_up.states() == {"lost": "given_up"}
    assert (wallet["caller_id"], wallet["waiting"], wallet["given_up"]) == ("wallet", 0, 1)
    assert "waiting: 0, given up: 1" in shown.output


def test_what_was_given_up_is_sent_again(given_up: Post, tmp_path: Path) -> None:
    result = ota("webhooks", "retry", "wallet", data=tmp_path)
    again = ota("webhooks", "retry", "wallet", data=tmp_path)

    assert (result.output, again.output) == ("sent again: 1\n", "sent again: 0\n")
    assert given_up.states() == {"lost": "waiting"}
