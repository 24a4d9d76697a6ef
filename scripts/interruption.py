"""Ctrl-C as an exception that comes only where it is expected.

A signal may arrive between starting a process and remembering it, and then
nobody would end that process. So signals are held back while processes are
handled, and let through only while we wait.
"""

import contextlib
import signal
import time

STOP_SIGNALS = {signal.SIGINT, signal.SIGTERM}
HELD_BACK = STOP_SIGNALS | {signal.SIGCHLD}


class Interrupted(Exception):
    """SIGINT or SIGTERM came."""


def raise_when_stopped():
    """The next SIGINT or SIGTERM raises Interrupted, and those that follow do
    nothing: they must not interrupt the clearing up."""

    def on_signal(_signo, _frame):
        for signo in STOP_SIGNALS:
            signal.signal(signo, signal.SIG_IGN)
        raise Interrupted

    for signo in STOP_SIGNALS:
        signal.signal(signo, on_signal)


@contextlib.contextmanager
def mask(how, signals):
    before = signal.pthread_sigmask(how, signals)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def held_back():
    """Signals wait until this is over, or until interruptible() is."""
    return mask(signal.SIG_BLOCK, HELD_BACK)


def interruptible():
    return mask(signal.SIG_UNBLOCK, STOP_SIGNALS)


def let_through():
    """For a new process, which inherits what is held back here."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, HELD_BACK)


def wait(process, timeout_s):
    """The exit status of a process; None if it goes on for longer. To be used
    while signals are held back. (Popen.wait() with a timeout would look every
    50 ms, which adds up over the runs.)"""
    until = time.monotonic() + timeout_s
    while process.poll() is None:
        left_s = max(0, until - time.monotonic())
        with interruptible():
            if signal.sigtimedwait({signal.SIGCHLD}, left_s) is None:
                return process.poll()
    return process.returncode
