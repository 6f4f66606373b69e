"""What the guards look for in source code, one question per function; each answers with line numbers and names."""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

# Written with a class of one letter so that this file does not find itself.
UNFINISHED = re.compile(r"\b(T[O]DO|F[I]XME|X[X]X|H[A]CK)\b|NotImplemented[E]rror")
MACHINE = re.compile(r"(?<![\w.{}<])/(ho[m]e|ro[o]t|wo[r]k|fa[r]m|Us[e]rs)/\w")
INDEX = re.compile(r"py[p]i\.org|python[h]osted|registry\.n[p]mjs|deb\.deb[i]an", re.IGNORECASE)
SECRET = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE K[E]Y"
    r"|\bAK[I]A[0-9A-Z]{16}\b"
    r"|\bgh[pousr]_[A-Za-z0-9]{36}\b"
    r"|\bxo[x][bp]-[0-9A-Za-z-]{20,}"
    r"|\"d\"\s*:\s*\"[A-Za-z0-9_-]{43}\""  # the private half of an elliptic-curve JWK
)
EXCUSES = ("s" + "kip", "x" + "fail", "importors" + "kip")


def tracked_files() -> list[Path]:
    """Text files that git tracks."""
    done = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True)
    paths = (ROOT / name.decode() for name in done.stdout.split(b"\0") if name)
    return [path for path in paths if path.is_file() and b"\0" not in path.read_bytes()[:4096]]


def python_files(*folders: str) -> list[Path]:
    """Tracked Python files below the folders."""
    roots = [ROOT / folder for folder in folders]
    return [p for p in tracked_files() if p.suffix == ".py" and any(p.is_relative_to(root) for root in roots)]


def lines_with(pattern: re.Pattern[str], text: str) -> list[str]:
    """Lines in which the pattern is found, with their numbers."""
    return [
        f"{number}: {line.strip()}"
        for number, line in enumerate(text.splitlines(), 1)
        if pattern.search(line)
    ]


def empty_functions(text: str) -> list[str]:
    """Functions that do nothing where nothing says that this is meant (``# empty: why``, or noqa: B027 with why, does)."""
    lines = text.splitlines()
    return [
        f"{function.lineno}: {function.name}"
        for owner, function in _functions(ast.parse(text))
        if _does_nothing(function)
        and not _is_declaration(owner, function)
        and not any(word in lines[function.lineno - 1] for word in ("noqa: B027 ", "# empty: "))
    ]


def tests_without_assertion(text: str) -> list[str]:
    """Tests that cannot fail, as far as one can see."""
    return [
        f"{function.lineno}: {function.name}"
        for _, function in _functions(ast.parse(text))
        if function.name.startswith("test_") and not any(_asserts(node) for node in ast.walk(function))
    ]


def excuses(text: str) -> list[str]:
    """Places where a test asks not to be run or not to be believed."""
    names = (node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Attribute))
    return [f"{node.lineno}: {node.attr}" for node in names if node.attr in EXCUSES]


Function = ast.FunctionDef | ast.AsyncFunctionDef


def _functions(tree: ast.AST, owner: ast.AST | None = None) -> Iterator[tuple[ast.AST | None, Function]]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, Function):
            yield owner, node
        yield from _functions(node, node if isinstance(node, ast.ClassDef) else owner)


def _does_nothing(function: Function) -> bool:
    return all(
        isinstance(line, ast.Pass) or (isinstance(line, ast.Expr) and isinstance(line.value, ast.Constant))
        for line in function.body
    )


def _is_declaration(owner: ast.AST | None, function: Function) -> bool:
    decorators = {ast.unparse(decorator).rpartition(".")[2] for decorator in function.decorator_list}
    bases = owner.bases if isinstance(owner, ast.ClassDef) else []
    protocol = any(ast.unparse(base).partition("[")[0].endswith("Protocol") for base in bases)
    command_group = any(decorator.startswith(("group(", "group")) for decorator in decorators)
    return protocol or command_group or bool(decorators & {"overload", "abstractmethod"})


def _asserts(node: ast.AST) -> bool:
    if isinstance(node, ast.Assert):
        return True
    if not isinstance(node, ast.Call):
        return False
    name = ast.unparse(node.func).rpartition(".")[2].lstrip("_")
    return name.startswith(("assert", "raises", "warns", "fail", "check_", "expect", "verify", "must_"))
