from __future__ import annotations

import json
from pathlib import Path

from click.testing import CliRunner

from ota.cli import main
from ota.hsm_adapter.city_host.message_keys import MessageKey
from ota.sandbox.city_host_messages import Signature
from tests.city_hosts.installation import PLATFORM_KEY, city_file
from tests.platform import edited_config


def test_the_command_tells_a_city_our_public_key(tmp_path: Path) -> None:
    edits = {"cities/foshan.toml": city_file(Signature.make("foshan-1"), self_issuing=True)}
    zhuhai = {"cities/zhuhai.toml": city_file(Signature.make("zhuhai-1"), self_issuing=False)}
    config = edited_config(tmp_path, edits | zhuhai, {})
    options = ["city-hosts", "--config", str(config), "--data", str(tmp_path / "data")]

    plain = CliRunner().invoke(main, options)
    told = json.loads(CliRunner().invoke(main, [*options, "--json"]).stdout)

    assert plain.output.endswith("cities with a host: 2\n")
    assert [each["answers for"] for each in told] == ["nothing; it asks us", "its own cards"]
    point = MessageKey.open(tmp_path / "data", PLATFORM_KEY).public.point
    assert (told[0]["our key"], (told[0]["x"], told[0]["y"])) == (PLATFORM_KEY, point)
    assert told[1]["city keys"] == "foshan-1"


def test_a_city_without_a_host_is_not_listed(tmp_path: Path) -> None:
    told = CliRunner().invoke(main, ["city-hosts", "--data", str(tmp_path)])

    assert told.output == "cities with a host: 0\n"
