"""Shards sealed in a process of its own, for what is done there holds no lock against the model.

``python -m core_hooks.capture.seal_process DESCRIPTOR...`` serves a socket each: a length with the descriptors of a
shard and of the memory that holds its rows, a line of JSON, and back a line of JSON. It names no file, so whatever it
still does when a job was killed, it does to a file that nobody will look at; and it ends when its input does.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import socket
import subprocess
import sys
import threading
from dataclasses import asdict
from io import FileIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core_hooks.capture.index import CaptureError
from core_hooks.capture.mapped_shard import as_float32
from core_hooks.capture.row_room import RowRoom, mapped_room
from core_hooks.capture.sealing import SiteRows, seal
from core_hooks.capture.shard import ShardFile

if TYPE_CHECKING:
    from collections.abc import Sequence

_NICE = 5
_LENGTH = 8  # bytes of the length of a message


class SealProcess:
    """A process that seals shards, `lines` of them at a time; gone at the end of `close`."""

    def __init__(self, lines: int) -> None:
        package_root = str(Path(__file__).resolve().parents[2])
        path = os.pathsep.join(filter(None, [package_root, os.environ.get("PYTHONPATH")]))
        pairs = [socket.socketpair() for _ in range(lines)]
        numbers = [theirs.fileno() for _, theirs in pairs]
        self._child = subprocess.Popen(
            [sys.executable, "-m", "core_hooks.capture.seal_process", *map(str, numbers)],
            stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, pass_fds=numbers,
            env={**os.environ, "PYTHONPATH": path},
            start_new_session=True,  # Ctrl+C is for the job, which says what becomes of its shards
        )  # fmt: skip
        self._free: queue.SimpleQueue[socket.socket] = queue.SimpleQueue()
        self._ours = []
        for ours, theirs in pairs:
            theirs.close()
            self._ours.append(ours)
            self._free.put(ours)

    @property
    def number(self) -> int:
        """Of the process."""
        return self._child.pid

    def seal(self, shard: ShardFile, room: RowRoom, sites: Sequence[SiteRows], first_row: int) -> str:
        """What `core_hooks.capture.sealing.seal` does, there; may be called by several threads.

        Raises
        ------
        OSError
            When the disk refuses.
        CaptureError
            When the process was ended by something else.
        """
        task = {
            "places": shard.places(), "room": len(room.memory), "sites": [asdict(site) for site in sites],
            "first_row": first_row,
        }  # fmt: skip
        assert room.descriptor is not None
        text = json.dumps(task).encode()
        line = self._free.get()
        try:
            socket.send_fds(line, [len(text).to_bytes(_LENGTH, "little")], [shard.descriptor, room.descriptor])
            line.sendall(text)
            answer = _received(line)
        except OSError:
            answer = None  # what a dead process leaves of a socket
        finally:
            self._free.put(line)
        if answer is None:
            raise CaptureError(
                f"The process that works on shards was ended (code {self._child.wait()}), maybe for want of memory; "
                "resume the job."
            )
        if "errno" in answer:
            raise OSError(answer["errno"], answer["error"])
        if "error" in answer:
            raise RuntimeError(answer["error"])
        return str(answer["crc32"])

    def close(self) -> None:
        """End the process; calling it again does nothing."""
        self._child.kill()
        self._child.wait()
        assert self._child.stdin is not None
        self._child.stdin.close()
        for line in self._ours:
            line.close()


def _received(line: socket.socket) -> dict[str, Any] | None:
    """The next line of JSON; None when the other side is gone."""
    text = b""
    while not text.endswith(b"\n"):
        piece = line.recv(1 << 16)
        if not piece:
            return None
        text += piece
    answer: dict[str, Any] = json.loads(text)
    return answer


def _serve(line: socket.socket) -> None:
    """Seal what is asked for until the one who asks is gone."""
    with contextlib.suppress(OSError):
        while True:
            head, descriptors, _, _ = socket.recv_fds(line, _LENGTH, 2)
            left = int.from_bytes(head, "little")
            text = bytearray()
            while left and (piece := line.recv(left)):
                text += piece
                left -= len(piece)
            if left or not text:
                return
            line.sendall(json.dumps(_sealed(json.loads(text), descriptors)).encode() + b"\n")


def _sealed(task: dict[str, Any], descriptors: list[int]) -> dict[str, Any]:
    """What became of one shard."""
    shard = ShardFile(FileIO(descriptors[0], "r+"), **task["places"])
    try:
        room = RowRoom(mapped_room(descriptors[1], task["room"]), descriptors[1])
        sites = [SiteRows(**site) for site in task["sites"]]
        return {"crc32": seal(shard, room, sites, task["first_row"], as_float32)}
    except OSError as error:
        return {"errno": error.errno, "error": error.strerror or str(error)}
    except Exception as error:  # noqa: BLE001 - told to the job, which raises it
        return {"error": f"{type(error).__name__}: {error}"}
    finally:
        shard.close()
        os.close(descriptors[1])


def main(numbers: Sequence[str]) -> None:
    """Serve these sockets until the input ends."""
    with contextlib.suppress(OSError):
        os.nice(_NICE)  # the model goes first
    for number in numbers:
        line = socket.socket(fileno=int(number))
        threading.Thread(target=_serve, args=(line,), daemon=True).start()
    sys.stdin.buffer.read()
    os._exit(0)  # at once, in the middle of whatever it does


if __name__ == "__main__":
    main(sys.argv[1:])
