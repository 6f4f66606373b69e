"""A small house with every layer, in which the import contracts can be seen to hold and to fail."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

MODULES = {
    "__init__.py": "",
    "app.py": "import ota.settings\nimport ota.topup.routes\n",
    "card/__init__.py": "import ota.core\n",
    "cities/__init__.py": "",
    "cli.py": "",
    "clearing/__init__.py": "",
    "core/__init__.py": "",
    "dialogue/__init__.py": "",
    "hsm_adapter/__init__.py": "import cryptography\nimport pkcs11\n",
    "issuance/__init__.py": "",
    "issuance/routes.py": "import flask\n",
    "issuance/service.py": "",
    "ledger/__init__.py": "",
    "lifecycle/__init__.py": "",
    "registry/__init__.py": "",
    "reports/__init__.py": "",
    "sandbox/__init__.py": "",
    "sandbox/element/__init__.py": "import ota.sandbox.element.tlv\n",
    "sandbox/element/tlv.py": "",
    "sandbox/phone.py": "import cryptography\n",
    "service_desk/__init__.py": "",
    "settings.py": "",
    "store/__init__.py": "",
    "terminal/__init__.py": "",
    "topup/__init__.py": "",
    "topup/routes.py": "import ota.web\nimport ota.topup.service\n",
    "topup/service.py": "import ota.store\n",
    "web/__init__.py": "import flask\n",
    "wiring.py": "import ota.settings\n",
    "worker.py": "",
}


@dataclass(frozen=True, slots=True)
class Verdict:
    """What import-linter said about a house."""

    broken: tuple[str, ...]
    text: str


def judge(folder: Path, extra: dict[str, str]) -> Verdict:
    """Build the house with some lines added to its modules and let import-linter judge it."""
    for name in {*MODULES, *extra}:
        path = folder / "ota" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(MODULES.get(name, "") + extra.get(name, ""), encoding="utf-8")
    shutil.copy(ROOT / ".importlinter", folder)
    return lint(folder)


def lint(folder: Path) -> Verdict:
    """Run import-linter on the package `ota` in a folder."""
    program = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([program, "--no-cache"], cwd=folder, capture_output=True, text=True, check=False)
    text = done.stdout + done.stderr
    broken = tuple(line.partition(" BROKEN")[0] for line in text.splitlines() if " BROKEN" in line)
    if done.returncode and not broken:
        raise AssertionError(text)
    return Verdict(broken, text)
