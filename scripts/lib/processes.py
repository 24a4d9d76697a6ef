"""The one way to start, watch, signal and end a program of ours.

A program is the leader of a session of its own, so that all it starts is found
and ended with it, and the kernel kills it if we die first. All that a server
prints is read all the time: a pipe that is not read stalls its writer.

A signal may arrive between starting a process and remembering it, and then no
one would end that process. So signals are blocked while processes are handled
(held_back), and come as the exception Interrupted only where we wait.
"""

import contextlib
import ctypes
import os
import re
import signal
import subprocess
import threading
import time

READY_TIMEOUT_S = 10
STOP_TIMEOUT_S = 20  # a server gives a slow client 10 s for what it owes
# A second signal sooner than 200 ms after the first counts as the same one.
SECOND_SIGNAL_S = 0.25
CLIENT_TIMEOUT_S = 60  # far more than any run is meant to take
CLIENT_OK = (0, 1)  # 1: not every client was served, which we want to see
LAST_WORDS_S = 10  # in which a pipe ends, unless a process has left the session
FIRST_LINE_MAX = 4096  # bytes; what has no newline in them is not ready
BLOCK_SIZE = 65536
PR_SET_PDEATHSIG = 1

STOP_SIGNALS = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}
HELD_BACK = STOP_SIGNALS | {signal.SIGCHLD}


class RunFailed(Exception):
    """This run has no result; others may have."""


class StartFailed(RunFailed):
    """A program did not start: it will not start for other runs either."""


class Interrupted(Exception):
    """SIGINT, SIGTERM or SIGHUP came."""


# ---- Signals


def raise_when_stopped():
    """Makes the next signal that stops us raise Interrupted, and those that
    follow do nothing: they must not interrupt the clearing up."""

    def on_signal(_signo, _frame):
        for signo in STOP_SIGNALS:
            signal.signal(signo, signal.SIG_IGN)
        raise Interrupted

    for signo in STOP_SIGNALS:
        signal.signal(signo, on_signal)


@contextlib.contextmanager
def mask(how, signals):
    old = signal.pthread_sigmask(how, signals)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, old)


def held_back():
    """Blocks signals until this is over, but for where we wait."""
    return mask(signal.SIG_BLOCK, HELD_BACK)


def interruptible():
    return mask(signal.SIG_UNBLOCK, STOP_SIGNALS)


def sleep(seconds):
    """Sleeps, and can be interrupted. For use while signals are held back."""
    with interruptible():
        time.sleep(seconds)


def wait(process, timeout_s):
    """Returns the exit status of a process, or None if it is alive after
    `timeout_s`. For use while signals are held back. (Popen.wait() with a
    timeout would check every 50 ms, which adds up over the runs.)"""
    until = time.monotonic() + timeout_s
    while process.poll() is None:
        left_s = max(0, until - time.monotonic())
        with interruptible():
            if signal.sigtimedwait({signal.SIGCHLD}, left_s) is None:
                return process.poll()
    return process.returncode


# ---- Starting


def in_child(core=None):
    """Returns what a child does before it becomes a program: it unblocks all
    signals, keeps to its core, and asks to die with us. (Last, because a change
    of user would undo that.)"""
    parent, prctl = os.getpid(), ctypes.CDLL(None).prctl

    def prepare():
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        if core is not None:
            os.sched_setaffinity(0, {core})
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # We have died in the meantime.
            os._exit(1)

    return prepare


def kill_group(process):
    """Ends a process that leads a session, and its children."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@contextlib.contextmanager
def started(command, core=None, **streams):
    """A program in a session of its own, which is gone afterwards. Raises
    StartFailed. Reading its pipes is the caller's part."""
    streams.setdefault("stdin", subprocess.DEVNULL)
    try:
        process = subprocess.Popen(
            list(map(str, command)), start_new_session=True,
            preexec_fn=in_child(core), **streams)
    except (OSError, subprocess.SubprocessError) as problem:
        raise StartFailed(f"cannot start {command[0]}: {problem}") from None
    try:
        yield process
    finally:
        kill_group(process)
        for stream in (process.stdin, process.stdout, process.stderr):
            if stream:
                with contextlib.suppress(OSError):
                    stream.close()


def call(command, timeout_s, core=None):
    """Runs a program to its end, like subprocess.run(): returns its status and
    its output. Raises StartFailed or subprocess.TimeoutExpired. May be called
    from any thread."""
    with started(command, core, stdout=subprocess.PIPE,
                 stderr=subprocess.DEVNULL) as process:
        said, _ = process.communicate(timeout=timeout_s)
        return process.returncode, said.decode(errors="replace")


# ---- Servers


class Output:
    """All that a process prints, read in a thread of its own: the first line,
    the end, and a copy of all in the file `log`. The thread has a descriptor of
    its own: the pipe may be closed while it reads, and the number of a closed
    one soon is that of the next server's pipe."""

    def __init__(self, pipe, log=None):
        self.fd, self.log = os.dup(pipe.fileno()), log
        self.head = self.tail = b""
        self.has_line = threading.Event()  # or the end has come
        self.thread = threading.Thread(target=self.read, daemon=True)
        self.thread.start()

    def read(self):
        while block := os.read(self.fd, BLOCK_SIZE):
            if len(self.head) < FIRST_LINE_MAX:
                self.head += block[:FIRST_LINE_MAX]
            self.tail = (self.tail + block)[-FIRST_LINE_MAX:]
            if b"\n" in self.head:
                self.has_line.set()
            if self.log is not None:
                with contextlib.suppress(OSError, ValueError):
                    self.log.write(block)
                    self.log.flush()
        os.close(self.fd)
        self.has_line.set()

    def first_line(self, timeout_s):
        """Waits for the first line, or what there is of it at the end. Raises
        TimeoutError."""
        with interruptible():
            if not self.has_line.wait(timeout_s):
                raise TimeoutError
        return self.head.split(b"\n")[0].decode(errors="replace")

    def last_line(self):
        """Returns the last line of a process that has ended."""
        self.thread.join()
        return self.tail.decode(errors="replace").rstrip().rpartition("\n")[2]


def port_in(line, name):
    """Returns the port in the line with which the server `name` says that it is
    ready. Raises StartFailed."""
    match = re.search(r":(\d+)\s*$", line)
    if not match:
        raise StartFailed(f"{name} did not start; see log.txt")
    return int(match[1])


class Server:
    """A server that runs, and the port where it is ready. fibload reads what
    it uses with `usage_options` and the descriptors `pass_fds`."""

    pass_fds = ()

    def __init__(self, process, name, log=None):
        self.process, self.name, self.pid = process, name, process.pid
        self.usage_options = ("--server-pid", str(self.pid))
        self.output = Output(process.stdout, log)
        self.port = self.wait_until_ready()
        self.target = str(self.port)

    def wait_until_ready(self):
        """Returns the port in the line with which it says that it is ready."""
        try:
            line = self.output.first_line(READY_TIMEOUT_S)
        except TimeoutError:
            raise StartFailed(f"{self.name} was not ready within "
                              f"{READY_TIMEOUT_S} s") from None
        return port_in(line, self.name)

    def stop(self, delay_s=0):
        """Ends it by SIGTERM: as part of a run, a server must be able to end by
        itself. Where every reply is delayed it may owe more of them than anyone
        can wait for; a second signal spares it these. Raises RunFailed."""
        self.process.send_signal(signal.SIGTERM)
        if delay_s and wait(self.process,
                            max(SECOND_SIGNAL_S, 2 * delay_s)) is None:
            self.process.send_signal(signal.SIGTERM)
        if wait(self.process, STOP_TIMEOUT_S) is None:
            raise RunFailed(
                f"{self.name} did not stop within {STOP_TIMEOUT_S} s")


@contextlib.contextmanager
def serving(command, name, core=None, log=None):
    """A server that is ready, and gone afterwards. What it prints goes to the
    file `log`, if there is one. Raises StartFailed."""
    stderr = subprocess.DEVNULL if log is None else log
    with started(command, core, stdout=subprocess.PIPE,
                 stderr=stderr) as process:
        server = Server(process, name, log)
        yield server
    server.output.thread.join(LAST_WORDS_S)


def ask(command, core, log, pass_fds=()):
    """Runs the client to its end; it inherits the descriptors `pass_fds`.
    Raises RunFailed."""
    with started(command, core, stdout=log, stderr=log,
                 pass_fds=pass_fds) as client:
        status = wait(client, CLIENT_TIMEOUT_S)
    if status is None:
        raise RunFailed(f"the client did not end within {CLIENT_TIMEOUT_S} s")
    if status not in CLIENT_OK:
        raise RunFailed(f"the client failed with status {status}; see log.txt")
