"""Asks a server for its coroutines. A server started with --inspect PATH lists
them on a UNIX socket, as a line of JSON for each (servers/coro/co.h)."""

import json
import os
import pathlib
import socket
import tempfile
from dataclasses import dataclass

from watch.calls import PREPOSITIONS, option

MODELS = ("coroutine", "offload", "multiloop")  # that have --inspect
FOLDER_BYTES_MAX = 80  # so that the path below it has at most 107 bytes
LOOPS_MAX = 64


@dataclass
class Coroutine:
    """One coroutine, as it is shown."""

    name: str
    state: str
    waits_for: str  # in words; "" if it is not waiting
    kind: str  # of waiting, as "read": a line for many rows counts each kind
    due_s: float  # until its wait times out; None: it has no deadline
    stack_used: int  # bytes
    stack_size: int


def place_of_sockets():
    """Returns the usual folder for temporary files, or /tmp if its path is too
    long for a UNIX socket."""
    place = tempfile.gettempdir()
    return place if len(os.fsencode(place)) <= FOLDER_BYTES_MAX else "/tmp"


def new_socket(stack):
    """Returns the path of a socket that does not exist yet. Its folder is
    removed when `stack`, a contextlib.ExitStack, is closed."""
    folder = stack.enter_context(
        tempfile.TemporaryDirectory(dir=place_of_sockets()))
    return pathlib.Path(folder) / "coroutines"


def sockets_of(process):
    """Yields the paths of a server's sockets, one for each of its loops."""
    path = option(process.command, "--inspect")
    if not path:
        return
    # A relative path starts in the server's working directory. Through /proc,
    # the path stays short.
    path = os.path.join(f"/proc/{process.pid}/cwd", path)
    yield path
    for number in range(2, LOOPS_MAX + 1):
        if not os.path.exists(f"{path}.{number}"):
            return
        yield f"{path}.{number}"


def answer(path, patience_s):
    """Returns what the server answers on one socket: a dictionary for each
    coroutine. Blocks for at most `patience_s` on each read."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(patience_s)
        client.connect(path)
        with client.makefile(encoding="utf-8") as lines:
            return [json.loads(line) for line in lines]


def coroutine(told, words):
    """Converts one dictionary of the server's answer to a Coroutine. `words`
    describes the descriptor that it waits for."""
    kind = told["waits_for"]
    name, due_ms = told["name"] or "without a name", told["due_ms"]
    where = "" if kind == "nothing" else kind
    if kind in PREPOSITIONS:
        target = words.target(told["fd"])
        where += (f" {PREPOSITIONS[kind]} "
                  f"{'its client' if target == name else target}")
    return Coroutine(name, told["state"], where, kind,
                     due_ms / 1000 if due_ms >= 0 else None,
                     told["stack_used"], told["stack_size"])


def of_server(process, words, patience_s):
    """Returns the coroutines of a server, and why there are none, or "". Blocks
    for at most `patience_s` on each read from each of its loops. With 0, the
    server is not asked."""
    if not patience_s:
        return [], ""
    found, paths = [], list(sockets_of(process))
    if not paths:
        return [], ("the server was not started with --inspect PATH"
                    if process.name in MODELS else "")
    for path in paths:
        try:
            found += answer(path, patience_s)
        except socket.timeout:
            return [], (f"no answer within {patience_s:g} s; does one let no "
                        "other run?")
        except (OSError, ValueError) as problem:
            return [], f"{path}: {problem}"
    return [coroutine(told, words) for told in found], ""
