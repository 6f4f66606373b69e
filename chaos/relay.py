"""A small TCP proxy on the loopback that cuts and delays connections: `python -m chaos.relay`, told what to do by lines.

A process of its own: in the process of the phones it would wait for their turn at the interpreter. The first line of
standard input says which doors to open, in JSON: name → addresses behind it (``HOST:PORT`` or a path). The answer is
name → port. Every further line is ``NAME cut`` or ``NAME delay SECONDS FOR_SECONDS``; the end of the input ends it.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Final, Self

_CHUNK: Final = 64 * 1024
_ROOT: Final = Path(__file__).resolve().parent.parent


class Door:
    """One port, and the addresses behind it in turn."""

    def __init__(self, addresses: Sequence[str]) -> None:
        self._addresses = addresses
        self._turn = count()
        self._open: set[asyncio.StreamWriter] = set()
        self._delay_s = 0.0
        self._delayed_until = 0.0

    async def listen(self) -> int:
        """Open the door; returns its port."""
        server = await asyncio.start_server(self._enter, "127.0.0.1", 0)
        return int(server.sockets[0].getsockname()[1])

    def cut(self) -> None:
        """Reset every connection."""
        for writer in self._open:
            writer.transport.abort()

    def delay(self, by_s: float, for_s: float) -> None:
        """Let every byte be late for a while."""
        self._delay_s = by_s
        self._delayed_until = asyncio.get_running_loop().time() + for_s

    async def _enter(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        behind = await self._reach()
        if behind is None:
            writer.transport.abort()
            return
        there, back = behind[1], writer
        self._open |= {there, back}
        await asyncio.gather(self._pass_on(reader, there), self._pass_on(behind[0], back))
        self._open -= {there, back}

    async def _reach(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        """The next address that answers."""
        first = next(self._turn)
        for step in range(len(self._addresses)):
            address = self._addresses[(first + step) % len(self._addresses)]
            with suppress(OSError):
                return await _connect(address)
        return None

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry bytes one way until either side ends, then end the other."""
        with suppress(OSError):
            while data := await reader.read(_CHUNK):
                if asyncio.get_running_loop().time() < self._delayed_until:
                    await asyncio.sleep(self._delay_s)
                writer.write(data)
                await writer.drain()
        with suppress(OSError):
            writer.close()


async def _connect(address: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    if address.startswith("/"):
        return await asyncio.open_unix_connection(address)
    host, _, port = address.rpartition(":")
    return await asyncio.open_connection(host, int(port))


class Relay:
    """The proxy as the process that started it sees it."""

    def __init__(self, doors: Mapping[str, Sequence[str]]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "chaos.relay"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=_ROOT
        )
        assert self._process.stdout is not None  # it was asked for
        self._say(json.dumps(doors))
        self.ports: dict[str, int] = json.loads(self._process.stdout.readline())

    def cut(self, door: str) -> None:
        """Reset every connection through a door."""
        self._say(f"{door} cut")

    def delay(self, door: str, by_s: float, for_s: float) -> None:
        """Let everything through a door be late."""
        self._say(f"{door} delay {by_s} {for_s}")

    def _say(self, line: str) -> None:
        assert self._process.stdin is not None  # it was asked for
        self._process.stdin.write(f"{line}\n".encode())
        self._process.stdin.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()


async def _serve() -> None:
    loop = asyncio.get_running_loop()
    lines = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), os.fdopen(0, "rb", 0))
    doors = {name: Door(addresses) for name, addresses in json.loads(await lines.readline()).items()}
    print(json.dumps({name: await door.listen() for name, door in doors.items()}), flush=True)
    while line := (await lines.readline()).decode().split():
        door = doors[line[0]]
        if line[1] == "cut":
            door.cut()
        else:
            door.delay(float(line[2]), float(line[3]))


if __name__ == "__main__":
    asyncio.run(_serve())
