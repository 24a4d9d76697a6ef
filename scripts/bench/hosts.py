"""Runs the servers of a bench on another host, by a command prefix that runs
commands there: `ssh lab2`, or `ip netns exec lab`. The project must be built
there, in the same folder as here.

The prefix starts a shell there. The shell reads one line from its input and
replaces itself with far_end, which starts the server as we would start it here.
The line is quoted only once, whether the prefix passes its words on unchanged
or, as ssh does, joins them for another shell.

One socket carries all that far_end reads and prints. fibload inherits our end
of the socket, and asks on it what the server has used. When our end closes,
because we or the network connection have ended, far_end ends the server.
"""

import contextlib
import math
import re
import shlex
import socket
import subprocess

from lib import machine
from lib.models import ROOT
from lib.processes import (
    PORT, READY_TIMEOUT_S, STOP_TIMEOUT_S, RunFailed, StartFailed,
    interruptible, port_in, started, wait)

PREFIX_TIMEOUT_S = 20  # until the prefix has started its command
LINE_MAX, LINES_MAX = 4096, 100  # of what is printed before the port

# The commands that the other host runs before the first run of the bench.
FACTS = """
test -x {fibload} || exit
uname -srm; nproc; ulimit -Hn
"""


class FarServer:
    """A server on another host, which is ready. It has those attributes and
    methods of lib.processes.Server that the bench uses."""

    def __init__(self, process, end, name, host):
        self.process, self.end, self.name = process, end, name
        self.pid = process.pid  # of the prefix
        self.usage_options = ("--usage-fd", str(end.fileno()))
        self.pass_fds = (end.fileno(),)
        brackets = "[{}]:{}" if ":" in host.address else "{}:{}"
        self.target = brackets.format(host.address, self.wait_until_ready())

    def wait_until_ready(self):
        """Waits for the server, and returns its port. The prefix or its shell
        may print lines before. Raises StartFailed."""
        self.end.settimeout(PREFIX_TIMEOUT_S + READY_TIMEOUT_S)
        try:
            with interruptible(), self.end.makefile("r", errors="replace") as \
                    output:
                found = (re.search(PORT, output.readline(LINE_MAX))
                         for _ in range(LINES_MAX))
                match = next(filter(None, found), None)
        except OSError as problem:
            raise StartFailed(f"{self.name} did not start on the other host: "
                              f"{problem}") from None
        self.end.settimeout(None)  # fibload inherits this setting.
        return port_in(match, self.name, "see log.txt")

    def stop(self, delay_s=0):
        """Stops the server, as Server.stop() does. Raises RunFailed."""
        with contextlib.suppress(OSError):  # The exit status tells why.
            self.end.sendall(f"stop {delay_s}\n".encode())
        if wait(self.process, PREFIX_TIMEOUT_S + STOP_TIMEOUT_S) != 0:
            raise RunFailed(f"{self.name} did not stop on the other host; "
                            "see log.txt")


class Host:
    """Another host: the prefix that runs commands there, and the address of its
    servers. Raises ValueError if the host's name is unknown, if the prefix does
    not run commands there, or if the project is not built there."""

    def __init__(self, prefix, name, programs):
        self.prefix, self.programs = shlex.split(prefix), programs
        if not self.prefix:
            raise ValueError("there is no command in it")
        name = name or self.prefix[-1].rpartition("@")[2]
        try:
            found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
        except OSError as problem:
            raise ValueError(f"{name}: {problem.strerror}") from None
        self.address = found[0][4][0]
        self.kernel, self.cores, self.descriptors = self.ask_facts()

    def ask_facts(self):
        """Returns the other host's kernel, number of cores and limit on
        descriptors, as texts. Raises ValueError."""
        fibload = shlex.quote(str(self.programs / "fibload"))
        asked = subprocess.run(
            [*self.prefix, "sh"], input=FACTS.format(fibload=fibload),
            stdout=subprocess.PIPE, text=True, errors="replace", check=False,
            timeout=PREFIX_TIMEOUT_S)
        lines = asked.stdout.splitlines()[-3:]  # The shell may print others.
        if asked.returncode != 0 or len(lines) != 3:
            raise ValueError(f"{shlex.join(self.prefix)} must run commands, "
                             f"and find {self.programs}/fibload there")
        return lines

    def connections_allowed(self):
        """Returns how many connections are possible, and what limits them: this
        host (see machine.connections_allowed()), or the other's descriptors."""
        here, reason = machine.connections_allowed()
        there = (int(self.descriptors) - machine.OWN_DESCRIPTORS
                 if self.descriptors.isdecimal() else math.inf)
        return min((here, reason), (there, "on the server's host a process may "
                                    f"have only {self.descriptors} "
                                    "descriptors open"))

    def described(self):
        """Returns a description of the host for the report."""
        return (f"another host: {shlex.join(self.prefix)}, {self.address}, "
                f"{self.cores} cores, {self.kernel}")

    @contextlib.contextmanager
    def serving(self, command, name, log):
        """Starts a server on the other host, and ends it after the `with`
        block. Raises StartFailed. For use while signals are blocked."""
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
