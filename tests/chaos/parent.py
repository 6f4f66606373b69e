"""A process with a child, for tests."""

from __future__ import annotations

import subprocess
import sys

if __name__ == "__main__":
    subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE).wait()
