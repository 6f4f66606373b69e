"""Command line of the launcher: `python -m tools.services start | stop | status | run -- COMMAND…`."""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
from types import FrameType

from tools.services import instance, softhsm
from tools.services.errors import ServiceProblem
from tools.services.process import Process

DEVELOPMENT = "development"


def main(arguments: list[str]) -> int:
    """Do what the arguments say; return the exit code."""
    options = _parser().parse_args(arguments)
    try:
        return int(options.action(options))
    except ServiceProblem as problem:
        print(problem, file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tools.services", description=__doc__)
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    start = actions.add_parser("start", help="start PostgreSQL and Valkey for development")
    start.add_argument("--fast", action="store_true", help="do not make PostgreSQL wait for the disk")
    start.set_defaults(action=_start)
    stop = actions.add_parser("stop", help="stop them and remove their data")
    stop.add_argument("--all", action="store_true", help="also those of test runs")
    stop.set_defaults(action=_stop)
    actions.add_parser("status", help="list what runs").set_defaults(action=_status)
    run = actions.add_parser("run", help="run a command with services of its own")
    run.add_argument("command", nargs="+", metavar="COMMAND")
    run.set_defaults(action=_run)
    return parser


def _start(options: argparse.Namespace) -> int:
    services = instance.start(DEVELOPMENT, fast=options.fast)
    for variable, value in services.environment.items():
        print(f"export {variable}='{value}'")
    return 0


def _stop(options: argparse.Namespace) -> int:
    for name in instance.stop(None if options.all else DEVELOPMENT):
        print(f"stopped {name}")
    return 0


def _status(_options: argparse.Namespace) -> int:
    for services in instance.running():
        for name, process in services.servers.items():
            state = "runs" if process.alive else "is gone"
            print(f"{services.name}: {name} {state}, process {process.pid}, folder {services.folder}")
    module = softhsm.find()
    print(f"SoftHSM2: {module}" if module else softhsm.ADVICE)
    return 0


def _run(options: argparse.Namespace) -> int:
    name = f"run-{os.getpid()}"
    module = softhsm.provide()
    if module is None:
        print(softhsm.ADVICE, file=sys.stderr)
    signal.signal(signal.SIGTERM, _leave)
    try:
        services = instance.start(name, fast=True, owner=Process.of(os.getpid()))
        environment = {**os.environ, **services.environment}
        if module:
            environment[softhsm.VARIABLE] = str(module)
        return _wait(subprocess.Popen(options.command, env=environment))
    finally:
        instance.stop(name)


def _wait(child: subprocess.Popen[bytes]) -> int:
    """Wait for the command; an interrupt reaches it through the terminal, a termination through here."""
    try:
        while True:
            try:
                code = child.wait()
            except KeyboardInterrupt:
                continue
            return code if code >= 0 else 128 - code
    finally:
        if child.poll() is None:
            child.terminate()
            child.wait()


def _leave(_number: int, _frame: FrameType | None) -> None:
    raise SystemExit(128 + signal.SIGTERM)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
