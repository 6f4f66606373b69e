"""Resolve requirements/*.in into locks with the hashes of all published files: `python -m tools.lock [--upgrade]`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# Universal: one lock for every CPython from 3.11 on and every processor. No line may name an index or a machine.
UV = ("uv", "pip", "compile", "--quiet", "--universal", "--python-version", "3.11", "--generate-hashes")
SILENT = ("--no-header", "--no-emit-index-url", "--no-emit-find-links")


def main(arguments: list[str]) -> int:
    """Write runtime.lock, then test.lock with the same pins; return the exit code."""
    if arguments not in ([], ["--upgrade"]):
        print(__doc__)
        return 2
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    for kind in ("runtime", "test"):
        files = ("--output-file", f"requirements/{kind}.lock", f"requirements/{kind}.in")
        subprocess.run([*UV, *SILENT, *arguments, *files], cwd=ROOT, env=environment, check=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
