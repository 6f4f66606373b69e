"""The whole thing, small: forty processes are killed while phones load, and no fen is lost or doubled."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from chaos.__main__ import main
from chaos.result import Order
from chaos.run import run

KILLS, TOPUPS = 40, 160


@pytest.mark.timeout(600)
def test_forty_kills_cost_nobody_a_fen() -> None:
    # Not below tmp_path: the account that runs PostgreSQL may not pass through it.
    with TemporaryDirectory(prefix="ota-chaos-") as folder:
        Path(folder).chmod(0o711)

        result = run(Order(kills=KILLS, topups=TOPUPS, seed=7), Path(folder))

    assert result.ok, result.to_json()
    assert result.kills == KILLS
    assert result.topups >= TOPUPS
    assert len(result.restarts) >= KILLS


def test_an_option_that_is_none_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--kills", "many"])

    assert "invalid int value: 'many'" in capsys.readouterr().err
