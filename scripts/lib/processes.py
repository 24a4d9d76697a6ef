"""The one way to start, observe, signal and end a program of ours.

Each program leads a session of its own, so that all processes that it starts
are found and ended with it. The kernel kills it if this program dies first. A
thread reads all that a server prints: a full pipe would block the server.

A signal could arrive after a process has been started and before it has been
recorded, and the process would then never be ended. Therefore signals are
blocked while processes are handled (held_back). They raise Interrupted only in
the functions that wait.
"""

import contextlib
import ctypes
import os
import re
import shlex
import signal
import subprocess
import threading
import time

# Only a program that hangs should exceed these limits, even on a slow machine.
READY_TIMEOUT_S = 30
STOP_TIMEOUT_S = 60  # a server gives slow clients 10 s to take their replies
# A second signal sooner than 200 ms after the first counts as the same one.
SECOND_SIGNAL_S = 0.25
CLIENT_TIMEOUT_S = 180  # far more than any run is meant to take
CLIENT_OK = (0, 1)  # 1: some clients were not served, which is a result
LAST_OUTPUT_S = 10  # at most, until all processes have closed the pipe
# Ends the line with which a server reports that it is ready. It may print other
# lines before.
PORT = r":(\d+)\s*$"
HEAD_MAX = 4096  # bytes of an output, in which the ready line must end
BLOCK_SIZE = 65536
PR_SET_PDEATHSIG = 1

STOP_SIGNALS = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}
HELD_BACK = STOP_SIGNALS | {signal.SIGCHLD}


class RunFailed(Exception):
    """One run has no result. Other runs may still succeed."""


class StartFailed(RunFailed):
    """A program did not start, and would not start for other runs either."""


class Interrupted(Exception):
    """SIGINT, SIGTERM or SIGHUP has arrived."""


# ---- Signals


def raise_when_stopped():
    """Makes the next SIGINT, SIGTERM or SIGHUP raise Interrupted, and ignores
    later ones: they must not interrupt the cleanup."""

    def on_signal(_signo, _frame):
        for signo in STOP_SIGNALS:
            signal.signal(signo, signal.SIG_IGN)
        raise Interrupted

    for signo in STOP_SIGNALS:
        signal.signal(signo, on_signal)


@contextlib.contextmanager
def mask(how, signals):
    """Changes the signal mask during a `with` block, and then restores it."""
    old = signal.pthread_sigmask(how, signals)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, old)


def held_back():
    """Blocks signals during a `with` block. Only the functions that wait
    unblock them for a moment."""
    return mask(signal.SIG_BLOCK, HELD_BACK)


def interruptible():
    """Unblocks SIGINT, SIGTERM and SIGHUP during a `with` block."""
    return mask(signal.SIG_UNBLOCK, STOP_SIGNALS)


def sleep(seconds):
    """Sleeps, and raises Interrupted if a signal arrives. For use while signals
    are blocked."""
    with interruptible():
        time.sleep(seconds)


def wait(process, timeout_s):
    """Waits for a process, and returns its exit status, or None if it still
    runs after `timeout_s`. For use while signals are blocked. Popen.wait() with
    a timeout would check only every 50 ms, which adds up over the runs."""
    until = time.monotonic() + timeout_s
    while process.poll() is None:
        left_s = max(0, until - time.monotonic())
        with interruptible():
            if signal.sigtimedwait({signal.SIGCHLD}, left_s) is None:
                return process.poll()
    return process.returncode


# ---- Starting


def in_child(core=None):
    """Returns the function that a child calls before it executes a program. It
    discards signals that were sent to our process group, which it has left,
    unblocks all signals, binds the child to `core` unless that is None, and
    lets the kernel kill the child when this program dies. That is its last
    step, because a change of user would cancel it."""
    parent, prctl = os.getpid(), ctypes.CDLL(None).prctl

    def prepare():
        for signo in STOP_SIGNALS:
            if callable(signal.getsignal(signo)):
                signal.signal(signo, signal.SIG_IGN)  # discards a pending one
                signal.signal(signo, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        if core is not None:
            os.sched_setaffinity(0, {core})
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # Our process has already died.
            os._exit(1)

    return prepare


def kill_group(process):
    """Kills a process that leads a session, and its children. If it has been
    waited for and has left no child, another process may have got its number,
    and is not killed."""
    is_another = (process.returncode is not None
                  and os.path.exists(f"/proc/{process.pid}"))
    if not is_another:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@contextlib.contextmanager
def started(command, core=None, **streams):
    """Starts a program in a session of its own, and kills it when the `with`
    block ends. The caller must read its pipes. Raises StartFailed."""
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


def call(command, timeout_s):
    """Runs a program to its end, like subprocess.run(), and returns its exit
    status and its output. Raises StartFailed or subprocess.TimeoutExpired. May
    be called from any thread."""
    with started(command, stdout=subprocess.PIPE,
                 stderr=subprocess.DEVNULL) as process:
        said, _ = process.communicate(timeout=timeout_s)
        return process.returncode, said.decode(errors="replace")


# ---- Servers


class Output:
    """A reader of all that a process prints, with a thread of its own. It keeps
    the first and the last bytes, and copies everything to the file `log`. The
    thread reads a duplicate of the descriptor: the pipe may be closed
    meanwhile, and a new pipe could get the number of the closed descriptor."""

    def __init__(self, pipe, log=None):
        self.fd, self.log = os.dup(pipe.fileno()), log
        self.head = self.tail = b""
        self.head_is_complete = False
        self.head_has_grown = threading.Condition()
        self.thread = threading.Thread(target=self.read, daemon=True)
        self.thread.start()

    def read(self):
        """Reads until the end of the output. This is what the thread runs."""
        while block := os.read(self.fd, BLOCK_SIZE):
            if not self.head_is_complete:
                self.keep(block)
            self.tail = (self.tail + block)[-HEAD_MAX:]
            if self.log is not None:
                with contextlib.suppress(OSError, ValueError):
                    self.log.write(block)
                    self.log.flush()
        os.close(self.fd)
        self.keep(b"\n", is_end=True)

    def keep(self, block, is_end=False):
        """Appends a block to the head. `is_end` says that no other follows."""
        with self.head_has_grown:
            self.head = (self.head + block)[:HEAD_MAX]
            self.head_is_complete = is_end or len(self.head) == HEAD_MAX
            self.head_has_grown.notify_all()

    def find(self, pattern, timeout_s):
        """Waits for a whole line with `pattern` in the head, and returns the
        match. Returns None if the head is complete and has none. Raises
        TimeoutError after `timeout_s`."""
        def match():
            lines, _, _ = self.head.rpartition(b"\n")
            return re.search(pattern, lines.decode(errors="replace"), re.M)

        with interruptible(), self.head_has_grown:
            if not self.head_has_grown.wait_for(
                    lambda: match() or self.head_is_complete, timeout_s):
                raise TimeoutError
        return match()

    def last_line(self):
        """Waits for the end of the output, and returns its last line."""
        self.thread.join()
        return self.tail.decode(errors="replace").rstrip().rpartition("\n")[2]


def port_in(match, name, hint):
    """Returns the port that was found with PORT in what the server `name` has
    printed. Raises StartFailed, with `hint`, if `match` is None."""
    if match is None:
        raise StartFailed(f"{name} did not start; {hint}")
    return int(match[1])


class Server:
    """A server that is ready on a port. `usage_options` and the inherited
    descriptors `pass_fds` let fibload measure what the server uses."""

    pass_fds = ()

    def __init__(self, process, name, log=None):
        self.process, self.name, self.pid = process, name, process.pid
        self.usage_options = ("--server-pid", str(self.pid))
        self.output = Output(process.stdout, log)
        self.port = self.wait_until_ready()
        self.target = str(self.port)

    def wait_until_ready(self):
        """Waits for the server, and returns its port. Raises StartFailed."""
        hint = ("see log.txt" if self.output.log is not None else
                f"run this to see why: {shlex.join(self.process.args)}")
        try:
            return port_in(self.output.find(PORT, READY_TIMEOUT_S), self.name,
                           hint)
        except TimeoutError:
            raise StartFailed(f"{self.name} was not ready within "
                              f"{READY_TIMEOUT_S} s; {hint}") from None

    def stop(self, delay_s=0):
        """Stops the server with SIGTERM, and waits for its end. Raises
        RunFailed if it does not stop, which makes the run invalid. With a
        delay, the server may have more replies outstanding than we can wait
        for. A second SIGTERM makes it end without them."""
        self.process.send_signal(signal.SIGTERM)
        if delay_s and wait(self.process,
                            max(SECOND_SIGNAL_S, 2 * delay_s)) is None:
            self.process.send_signal(signal.SIGTERM)
        self.wait_for_end()

    def wait_for_end(self):
        """Waits for the server, which has been stopped. Raises RunFailed."""
        if wait(self.process, STOP_TIMEOUT_S) is None:
            raise RunFailed(
                f"{self.name} did not stop within {STOP_TIMEOUT_S} s")


@contextlib.contextmanager
def serving(command, name, core=None, log=None):
    """Starts a server, waits until it is ready, and kills it after the `with`
    block. What it prints goes to the file `log`, if any. Raises StartFailed."""
    stderr = subprocess.DEVNULL if log is None else log
    with started(command, core, stdout=subprocess.PIPE,
                 stderr=stderr) as process:
        server = Server(process, name, log)
        yield server
    server.output.thread.join(LAST_OUTPUT_S)


def ask(command, core, log, pass_fds=()):
    """Runs the client to its end; it inherits the descriptors `pass_fds`. Its
    output goes to the file `log`. Raises RunFailed."""
    with started(command, core, stdout=log, stderr=log,
                 pass_fds=pass_fds) as client:
        status = wait(client, CLIENT_TIMEOUT_S)
    if status is None:
        raise RunFailed(f"the client did not end within {CLIENT_TIMEOUT_S} s")
    if status not in CLIENT_OK:
        raise RunFailed(f"the client failed with status {status}; see log.txt")
