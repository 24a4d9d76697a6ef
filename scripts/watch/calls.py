"""Describes in words the system calls in which servers wait."""

import os
import struct

from lib.text import counted
from watch.sockets import inode_of

# The numbers of system calls on the two architectures on which we test.
X86_64 = {0: "read", 1: "write", 7: "poll", 23: "select", 35: "nanosleep",
          43: "accept", 45: "recvfrom", 44: "sendto", 46: "sendmsg",
          47: "recvmsg", 61: "wait4", 130: "rt_sigsuspend",
          128: "rt_sigtimedwait", 202: "futex", 230: "clock_nanosleep",
          232: "epoll_wait", 247: "waitid", 270: "pselect6", 271: "ppoll",
          281: "epoll_pwait", 288: "accept4", 426: "io_uring_enter",
          441: "epoll_pwait2"}
AARCH64 = {63: "read", 64: "write", 101: "nanosleep", 202: "accept",
           207: "recvfrom", 206: "sendto", 211: "sendmsg", 212: "recvmsg",
           260: "wait4", 133: "rt_sigsuspend", 137: "rt_sigtimedwait",
           98: "futex", 115: "clock_nanosleep", 95: "waitid", 72: "pselect6",
           73: "ppoll", 22: "epoll_pwait", 242: "accept4",
           426: "io_uring_enter", 441: "epoll_pwait2"}
NAMES = {"x86_64": X86_64, "aarch64": AARCH64}.get(os.uname().machine, {})

# The names that are printed: an accept() of the source may be an accept4().
SHORT = {"accept4": "accept", "recvfrom": "recv", "sendto": "send",
         "epoll_pwait": "epoll_wait", "epoll_pwait2": "epoll_wait",
         "clock_nanosleep": "nanosleep", "pselect6": "select", "ppoll": "poll",
         "wait4": "waitpid", "waitid": "waitpid"}
POLLFDS_MAX = 1000
ABSOLUTE_TIME = 1  # a flag of clock_nanosleep(2)


def name_of(thread):
    """Returns the name of the system call in which a thread is blocked, or "".
    Variants of a call have one name: "accept" for accept4()."""
    name = NAMES.get(thread.number, "")
    return SHORT.get(name, name)


def milliseconds(seconds, nanoseconds):
    """Converts a time as in struct timespec to milliseconds."""
    return seconds * 1000 + nanoseconds / 1e6


class Words:
    """Describes in words the blocking system calls of a process."""

    def __init__(self, proc, sockets, process, symbols):
        self.proc, self.sockets = proc, sockets
        self.pid, self.command = process.pid, process.command
        self.symbols = symbols

    def describe(self, thread):
        """Returns the system call of a blocked thread and what it waits for,
        "recv from client 127.0.0.1:41234", or "" if the kernel hides the
        call."""
        kernel_name = NAMES.get(thread.number, "")
        name = SHORT.get(kernel_name, kernel_name)
        if not name:
            return (f"system call {thread.number}" if thread.number >= 0
                    else f"kernel function {thread.wchan}" if thread.wchan
                    else "")
        describe = getattr(self, f"in_{kernel_name}", None) or getattr(
            self, f"in_{name}", None)
        more = describe(thread.arguments) if describe else ""
        # If the call has returned, the memory read above may be stale.
        if not self.proc.is_still_in_call(thread):
            more = ""
        return f"{name} {more}".strip()

    def target(self, fd):
        """Returns what a descriptor refers to, in words: "the listener", "a
        pipe", a client's address, a file's name."""
        text = self.proc.descriptor(self.pid, fd)
        if text.startswith("pipe:"):
            return "a pipe"
        inode = inode_of(text)
        if inode is None:
            return text.rpartition("/")[2] if text else f"descriptor {fd}"
        socket = self.sockets.by_inode.get(inode)
        if socket is None:
            return f"a socket, descriptor {fd}"
        if socket.is_listener:
            return "the listener"
        return f"client {socket.remote}"

    def on_descriptors(self, fds):
        """Returns in words on which descriptors a call waits. Negative ones,
        which poll() ignores, do not count."""
        fds = [fd for fd in fds if fd >= 0]
        if len(fds) == 1:
            return f"on {self.target(fds[0])}"
        return f"on {len(fds)} descriptors" if fds else "for a signal"

    # ---- One method per call, given its arguments

    def in_accept(self, arguments):
        return f"on {self.target(arguments[0])}"

    def in_recv(self, arguments):
        return f"from {self.target(arguments[0])}"

    in_read = in_recvmsg = in_recv

    def in_send(self, arguments):
        return f"to {self.target(arguments[0])}"

    in_write = in_sendmsg = in_send

    def in_poll(self, arguments):
        address, count = arguments[0], arguments[1]
        form = "ihh" * min(count, POLLFDS_MAX)
        found = self.proc.memory(self.pid, address, form) if count else ()
        if found is None:
            return f"on {count} descriptors"
        return self.on_descriptors(found[::3])

    def in_select(self, arguments):
        """Returns on which descriptors select() waits to read. Their set has
        one bit for each descriptor."""
        count = min(arguments[0], 1024)
        form = f"={(count + 63) // 64}Q"
        words = (self.proc.memory(self.pid, arguments[1], form)
                 if arguments[1] else ())
        if words is None:
            return f"on descriptors below {count}"
        bits = b"".join(struct.pack("<Q", word) for word in words)
        return self.on_descriptors([fd for fd in range(count)
                             if bits[fd // 8] >> fd % 8 & 1])

    def in_epoll_wait(self, arguments):
        count = self.proc.watched_count(self.pid, arguments[0])
        if count is None:
            return ""
        return f"on {counted(count, 'descriptor')}"

    def in_nanosleep(self, arguments):
        return self.sleep(arguments[0], relative=True)

    def in_clock_nanosleep(self, arguments):
        return self.sleep(arguments[2], not arguments[1] & ABSOLUTE_TIME)

    def sleep(self, address, relative):
        """Returns how long a call sleeps, in words. `address` is that of its
        struct timespec. Returns "" for an absolute time."""
        found = self.proc.memory(self.pid, address, "qq") if relative else None
        if found is None:
            return ""
        length_ms = milliseconds(*found)
        delay = option(self.command, "--delay")
        why = " (simulated backend)" if delay == f"{length_ms:.0f}" else ""
        return f"{length_ms:.0f} ms{why}"

    def in_futex(self, arguments):
        name = self.symbols.name(arguments[0])
        return f"({name})" if name else ""


def option(command, name):
    """Returns the value of an option in a command line, or ""."""
    for word, after in zip(command, (*command[1:], "")):
        if word == name:
            return after
        if word.startswith(f"{name}="):
            return word.partition("=")[2]
    return ""
