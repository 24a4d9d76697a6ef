"""Describes in words the system calls in which servers wait."""

import contextlib
import os

from lib.text import counted
from watch import proc

# The names that are printed, by the numbers of system calls on the two
# architectures on which we test. Variants of a call have one name: an accept()
# of the source may be an accept4(). Only clock_nanosleep() has its own, because
# its arguments are not those of nanosleep().
X86_64 = {0: "read", 1: "write", 7: "poll", 23: "select", 35: "nanosleep",
          43: "accept", 44: "send", 45: "recv", 46: "sendmsg", 47: "recvmsg",
          61: "waitpid", 128: "rt_sigtimedwait", 130: "rt_sigsuspend",
          202: "futex", 230: "clock_nanosleep", 232: "epoll_wait",
          247: "waitpid", 270: "select", 271: "poll", 281: "epoll_wait",
          288: "accept", 426: "io_uring_enter", 441: "epoll_wait"}
AARCH64 = {22: "epoll_wait", 63: "read", 64: "write", 72: "select", 73: "poll",
           95: "waitpid", 98: "futex", 101: "nanosleep",
           115: "clock_nanosleep", 133: "rt_sigsuspend",
           137: "rt_sigtimedwait", 202: "accept", 206: "send", 207: "recv",
           211: "sendmsg", 212: "recvmsg", 242: "accept", 260: "waitpid",
           426: "io_uring_enter", 441: "epoll_wait"}
NAMES = {"x86_64": X86_64, "aarch64": AARCH64}.get(os.uname().machine, {})

# What stands between a call and the descriptor that is its first argument.
PREPOSITIONS = {"accept": "on", "read": "from", "recv": "from",
                "recvmsg": "from", "write": "to", "send": "to", "sendmsg": "to"}
POLLFDS_MAX = 1000
ABSOLUTE_TIME = 1  # a flag of clock_nanosleep(2)


def name_of(thread):
    """Returns the printed name of the system call in which a thread is blocked,
    or ""."""
    name = NAMES.get(thread.number, "")
    return "nanosleep" if name == "clock_nanosleep" else name


class Words:
    """Describes in words the blocking system calls of a process."""

    def __init__(self, sockets, process, symbols):
        self.sockets, self.symbols = sockets, symbols
        self.pid, self.command = process.pid, process.command

    def describe(self, thread):
        """Returns the system call of a blocked thread and what it waits for,
        "recv from client 127.0.0.1:41234", or "" if the kernel hides the
        call."""
        name = name_of(thread)
        if not name:
            return (f"system call {thread.number}" if thread.number >= 0
                    else f"kernel function {thread.wchan}" if thread.wchan
                    else "")
        more = self.waits_for(NAMES[thread.number], thread.arguments)
        # If the call has returned, the memory read above may be stale.
        if more and not proc.is_still_in_call(thread):
            more = ""
        return f"{name} {more}".strip()

    def waits_for(self, name, arguments):
        """Returns in words what a call waits for, "" if that is not known."""
        if name in PREPOSITIONS:
            return f"{PREPOSITIONS[name]} {self.target(arguments[0])}"
        describe = getattr(self, f"in_{name}", None)
        return describe(*arguments) if describe else ""

    def target(self, fd):
        """Returns what a descriptor refers to, in words: "the listener", "a
        pipe", a client's address, a file's name."""
        name = proc.descriptor(self.pid, fd)
        socket = self.sockets.by_name.get(name)
        if socket:
            return ("the listener" if socket.is_listener
                    else f"client {socket.remote}")
        if name.startswith("socket:"):
            return f"a socket, descriptor {fd}"
        if name.startswith("pipe:"):
            return "a pipe"
        return name.rpartition("/")[2] or f"descriptor {fd}"

    def on_descriptors(self, fds):
        """Returns in words on which descriptors a call waits. Negative ones,
        which poll() ignores, do not count."""
        fds = [fd for fd in fds if fd >= 0]
        if len(fds) == 1:
            return f"on {self.target(fds[0])}"
        return f"on {len(fds)} descriptors" if fds else "for a signal"

    # ---- One method per call, given its arguments

    def in_poll(self, address, count, *_):
        form = "ihh" * min(count, POLLFDS_MAX)
        found = proc.memory(self.pid, address, form) if count else ()
        if found is None:
            return f"on {counted(count, 'descriptor')}"
        return self.on_descriptors(found[::3])

    def in_select(self, count, address, *_):
        """Returns on which descriptors select() waits to read. Their set has
        one bit for each descriptor."""
        count = min(count, 1024)
        form = f"={(count + 63) // 64}Q"
        words = proc.memory(self.pid, address, form) if address else ()
        if words is None:
            return f"on descriptors below {count}"
        bits = sum(word << 64 * i for i, word in enumerate(words))
        return self.on_descriptors(fd for fd in range(count) if bits >> fd & 1)

    def in_epoll_wait(self, epoll, *_):
        with contextlib.suppress(OSError):
            count = proc.text(self.pid, "fdinfo", epoll).count("tfd:")
            return f"on {counted(count, 'descriptor')}"
        return ""

    def in_nanosleep(self, address, *_):
        """Returns how long a call sleeps. `address` is that of its struct
        timespec."""
        found = proc.memory(self.pid, address, "qq")
        if found is None:
            return ""
        length_ms = f"{found[0] * 1000 + found[1] / 1e6:.0f}"
        delay = option(self.command, "--delay")
        why = " (simulated backend)" if delay == length_ms else ""
        return f"{length_ms} ms{why}"

    def in_clock_nanosleep(self, _clock, flags, address, *_):
        return "" if flags & ABSOLUTE_TIME else self.in_nanosleep(address)

    def in_futex(self, address, *_):
        name = self.symbols.name(address)
        return f"({name})" if name else ""


def option(command, name):
    """Returns the value of an option in a command line, or ""."""
    for word, after in zip(command, (*command[1:], "")):
        if word == name:
            return after
        if word.startswith(f"{name}="):
            return word.partition("=")[2]
    return ""
