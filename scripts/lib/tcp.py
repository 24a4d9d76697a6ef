"""Lists the TCP sockets of a network namespace, as the kernel sees them.

Sockets in the state TIME_WAIT are left out: no process holds them, and beside a
benchmark there are tens of thousands. sock_diag(7) skips them in the kernel.
/proc/PID/net/tcp, which is read where there is no sock_diag, prints them all,
which takes ten times as long.
"""

import os
import pathlib
import socket
import struct
from dataclasses import dataclass

# Some states, with the numbers that the kernel gives them.
ESTABLISHED, TIME_WAIT, CLOSE_WAIT, LISTENING = 1, 6, 8, 10
TIME_WAIT_FIELD = f" {TIME_WAIT:02X} "  # in a line of /proc/net/tcp

# The format of sock_diag(7): linux/netlink.h and linux/inet_diag.h.
NETLINK_SOCK_DIAG, SOCK_DIAG_BY_FAMILY = 4, 20
NLM_F_REQUEST, NLM_F_DUMP = 0x1, 0x300
NLMSG_ERROR, NLMSG_DONE = 2, 3
HEADER = "=IHHII"  # length, type, flags, sequence number, port
QUESTION = "BBBBI48x"  # family, protocol, extensions, padding, states
ANSWER = "=BB2x2s2s16s16s16xII4xI"  # see socket_of()
REPLY_SIZE = 1 << 16  # The kernel sends at most 32 KiB at once.


@dataclass(frozen=True)
class Socket:
    """One TCP socket, as the kernel lists it."""

    inode: int  # 0: it is in the accept queue, and no process holds it yet
    local: str  # "127.0.0.1:9999" or "[::1]:9999"
    remote: str
    state: int
    unread: int  # bytes that the server has not read yet; of a listener:
    # connections in its accept queue
    unacknowledged: int  # bytes sent that the client has not acknowledged

    @property
    def is_listener(self):
        return self.state == LISTENING


def address(packed, port):
    """Returns an address as text. `packed` is in network byte order."""
    if len(packed) == 4:
        return f"{socket.inet_ntop(socket.AF_INET, packed)}:{port}"
    return f"[{socket.inet_ntop(socket.AF_INET6, packed)}]:{port}"


# ---- sock_diag


def socket_of(data):
    """Converts a struct inet_diag_msg of the kernel to a Socket."""
    (family, state, local_port, remote_port, local, remote, unread,
     unacknowledged, inode) = struct.unpack_from(ANSWER, data)
    size = 4 if family == socket.AF_INET else 16
    ends = (address(host[:size], int.from_bytes(port, "big"))
            for host, port in ((local, local_port), (remote, remote_port)))
    return Socket(inode, *ends, state, unread, unacknowledged)


def messages(kernel):
    """Yields the messages of the kernel's answer. Raises OSError."""
    while True:
        data = kernel.recv(REPLY_SIZE)
        while data:
            length, kind = struct.unpack_from("=IH", data)
            if kind == NLMSG_DONE:
                return
            if kind == NLMSG_ERROR:
                raise OSError("sock_diag is refused")
            yield data[struct.calcsize(HEADER):length]
            data = data[(length + 3) & ~3:]


def asked(family):
    """Asks the kernel for the sockets of this process's namespace. Returns
    those of one address family. Raises OSError."""
    question = struct.pack(
        HEADER + QUESTION, struct.calcsize(HEADER + QUESTION),
        SOCK_DIAG_BY_FAMILY, NLM_F_REQUEST | NLM_F_DUMP, 0, 0, family,
        socket.IPPROTO_TCP, 0, 0, 0xFFFFFFFF & ~(1 << TIME_WAIT))
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW,
                       NETLINK_SOCK_DIAG) as kernel:
        kernel.send(question)
        return [socket_of(data) for data in messages(kernel)]


# ---- /proc/PID/net/tcp


def printed_address(text):
    """Converts "0100007F:270F", as the kernel prints an address, to
    "127.0.0.1:9999". The words are in the machine's byte order."""
    host, _, port = text.partition(":")
    words = [int(host[i:i + 8], 16) for i in range(0, len(host), 8)]
    return address(struct.pack(f"={len(words)}I", *words), int(port, 16))


def parse(text):
    """Yields the sockets in the text of /proc/net/tcp."""
    for line in text.splitlines()[1:]:
        if TIME_WAIT_FIELD in line:
            continue
        fields = line.split()
        unacknowledged, _, unread = fields[4].partition(":")
        yield Socket(int(fields[9]), printed_address(fields[1]),
                     printed_address(fields[2]), int(fields[3], 16),
                     int(unread, 16), int(unacknowledged, 16))


def printed(folder):
    """Returns the sockets that the files in a folder /proc/PID/net list."""
    found = []
    for name in ("tcp", "tcp6"):
        try:
            found += parse((folder / name).read_text(errors="replace"))
        except OSError:
            pass  # The kernel has no IPv6, or hides the file.
    return found


# ---- Either


def shares_namespace(process):
    """Returns True if a process, given by its folder in /proc, is known to see
    the same network as this program."""
    try:
        return (os.readlink(process / "ns/net")
                == os.readlink("/proc/self/ns/net"))
    except OSError:
        return False


def listed(process):
    """Returns the sockets that the kernel lists: those of sock_diag if it can
    be asked about the process, or else those of /proc/PID/net."""
    if shares_namespace(process):
        try:
            return asked(socket.AF_INET) + asked(socket.AF_INET6)
        except OSError:
            pass  # The kernel has no sock_diag.
    return printed(process / "net")


def sockets(process=pathlib.Path("/proc/self")):
    """Returns all TCP sockets in the network namespace of a process, given by
    its folder in /proc, except those in TIME_WAIT. The kernel lists its sockets
    in several pieces, and may list one twice if another is opened meanwhile:
    such a socket is returned once."""
    return list({(one.inode, one.local, one.remote): one
                 for one in listed(process)}.values())
