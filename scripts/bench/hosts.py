"""A server on another host, where a command prefix runs commands: `ssh lab2`,
or `ip netns exec lab`. The project must be there in the same folder, built.

The prefix runs a shell, and the shell becomes far_end, which starts the server
there as we start one here. The shell reads that command from its input, where
it is quoted once, whether the prefix passes its words on or, as ssh does, joins
them for another shell.

All that far_end reads and prints goes over one socket. fibload inherits our end
of it, to ask what the server has used. When that end closes, because we or the
connection have ended, far_end ends the server.
"""

import contextlib
import math
import shlex
import socket
import subprocess

from lib import machine
from lib.models import ROOT
from lib.processes import (
    READY_TIMEOUT_S, STOP_TIMEOUT_S, RunFailed, StartFailed, interruptible,
    port_in, started, wait)

PREFIX_TIMEOUT_S = 20  # for what the prefix does before its command runs
LINE_MAX = 4096

# What is asked of the other host before the first run.
FACTS = """
test -x {fibload} || exit
uname -srm; nproc; ulimit -Hn
"""


def address_of(name):
    """Returns the address of a host. Raises ValueError if it is unknown."""
    try:
        found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    except OSError as problem:
        raise ValueError(f"{name}: {problem.strerror}") from None
    return found[0][4][0]


class FarServer:
    """A server on another host that is ready. What the bench needs of it is
    called as in lib.processes.Server."""

    def __init__(self, process, end, name, host):
        self.process, self.end, self.name = process, end, name
        self.pid = process.pid  # of the prefix
        self.usage_options = ("--usage-fd", str(end.fileno()))
        self.pass_fds = (end.fileno(),)
        self.target = f"{host.bracketed()}:{self.wait_until_ready()}"

    def wait_until_ready(self):
        """Returns the port of the server."""
        self.end.settimeout(PREFIX_TIMEOUT_S + READY_TIMEOUT_S)
        try:
            with interruptible(), self.end.makefile("r", errors="replace") as \
                    lines:
                line = lines.readline(LINE_MAX)
        except OSError as problem:
            raise StartFailed(f"{self.name} did not start on the other host: "
                              f"{problem}") from None
        self.end.settimeout(None)  # fibload has the same open socket.
        return port_in(line, self.name)

    def stop(self, delay_s=0):
        """Ends it as lib.processes.Server.stop() does. Raises RunFailed."""
        with contextlib.suppress(OSError):  # Its status says what happened.
            self.end.sendall(f"stop {delay_s}\n".encode())
        if wait(self.process, PREFIX_TIMEOUT_S + STOP_TIMEOUT_S) != 0:
            raise RunFailed(f"{self.name} did not stop on the other host; "
                            "see log.txt")


class Host:
    """Another host: the prefix that runs commands there, and the address under
    which its servers are reached. Raises ValueError if it is no such host."""

    def __init__(self, prefix, name, programs):
        self.prefix, self.programs = shlex.split(prefix), programs
        if not self.prefix:
            raise ValueError("there is no command in it")
        self.address = address_of(name or self.prefix[-1].rpartition("@")[2])
        self.kernel, self.cores, self.descriptors = self.ask_facts()

    def ask_facts(self):
        fibload = shlex.quote(str(self.programs / "fibload"))
        asked = subprocess.run(
            [*self.prefix, "sh"], input=FACTS.format(fibload=fibload),
            stdout=subprocess.PIPE, text=True, errors="replace", check=False,
            timeout=PREFIX_TIMEOUT_S)
        lines = asked.stdout.splitlines()
        if asked.returncode != 0 or len(lines) != 3:
            raise ValueError(f"{shlex.join(self.prefix)} must run commands, "
                             f"and find {self.programs}/fibload there")
        return lines

    def bracketed(self):
        """Returns the address as it stands before a port."""
        return f"[{self.address}]" if ":" in self.address else self.address

    def connections_allowed(self):
        """As machine.connections_allowed(), of both hosts."""
        room, reason = machine.connections_allowed()
        there = (int(self.descriptors) - machine.OWN_DESCRIPTORS
                 if self.descriptors.isdecimal() else math.inf)
        return min((room, reason), (there, "on the server's host a process may "
                                    f"have only {self.descriptors} "
                                    "descriptors open"))

    def described(self):
        return (f"another host: {shlex.join(self.prefix)}, {self.address}, "
                f"{self.cores} cores, {self.kernel}")

    @contextlib.contextmanager
    def serving(self, command, name, log):
        """A server there that is ready, and gone afterwards. Raises
        StartFailed. For use while signals are held back."""
        far_end = [ROOT / "scripts" / "bench" / "far_end",
                   self.programs / "fibload", name, *command]
        ours, theirs = socket.socketpair()
        with ours, started([*self.prefix, "sh"], stdin=theirs, stdout=theirs,
                           stderr=log) as process:
            theirs.close()
            try:
                ours.sendall(f"exec {shlex.join(map(str, far_end))}\n".encode())
                yield FarServer(process, ours, name, self)
            finally:
                ours.close()
                wait(process, PREFIX_TIMEOUT_S)  # until the server has ended
