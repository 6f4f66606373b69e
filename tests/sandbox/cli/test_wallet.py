"""``ota-sandbox wallet``: its first lines register it, and it answers where it says that it listens."""

from __future__ import annotations

import http.client
import subprocess
import sys
import tomllib
from pathlib import Path
from urllib.parse import urlsplit

from ota.store.caller_file import read_callers

PROGRAM = "from ota.sandbox.cli import main; main()"
NOBODY = "http://127.0.0.1:9"


def test_the_first_lines_register_the_wallet_that_listens(tmp_path: Path) -> None:
    command = [sys.executable, "-c", PROGRAM, "wallet", "--server", NOBODY, "--port", "0"]
    command += ["--mishap", "/refunds", "broken"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        lines = [process.stdout.readline() for _ in range(12)]
        (file := tmp_path / "wallet.toml").write_text("".join(lines), encoding="utf-8")
        url = tomllib.loads(file.read_text(encoding="utf-8"))["caller"][0]["callback_url"]
        line = http.client.HTTPConnection(urlsplit(url).netloc, timeout=5)
        statuses = []
        for body in ("{}", "{}", "no JSON"):
            line.request("POST", "/refunds", body)
            statuses.append(line.getresponse().status)
            line.close()
        told = process.stderr.readline()
        process.terminate()

    (caller,) = read_callers(file)
    assert (caller.id, caller.callback_url) == ("sandbox-wallet", url)
    assert statuses == [500, 401, 400]
    assert told == "/refunds 500\n"
