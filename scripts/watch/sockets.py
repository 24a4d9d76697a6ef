"""Reads the kernel's side of a server's connections from /proc/PID/net/tcp."""

import re
import socket
import struct
from dataclasses import dataclass

ESTABLISHED, LISTENING = 1, 10
# TIME_WAIT, as a field. Beside a benchmark, tens of thousands of sockets are in
# this state.
GONE = " 06 "
STATES = {1: "established", 4: "closing", 5: "closing", 7: "closed",
          8: "client has finished", 9: "closing", 11: "closing"}


@dataclass(frozen=True)
class Socket:
    """One TCP socket, as the kernel lists it."""

    inode: int  # 0: it is in the accept queue, and no process holds it yet
    local: str
    remote: str
    state: int
    unread: int  # bytes that the server has not read yet; of a listener:
    # connections in its accept queue
    unacknowledged: int  # bytes sent that the client has not acknowledged

    @property
    def is_listener(self):
        return self.state == LISTENING

    @property
    def state_name(self):
        return STATES.get(self.state, "opening")


def address(text):
    """Converts an address as the kernel prints it, "0100007F:270F", to
    "127.0.0.1:9999". The words of the first part are in the machine's byte
    order."""
    host, _, port = text.partition(":")
    words = [int(host[i:i + 8], 16) for i in range(0, len(host), 8)]
    packed = struct.pack(f"={len(words)}I", *words)
    if len(packed) == 4:
        return f"{socket.inet_ntop(socket.AF_INET, packed)}:{int(port, 16)}"
    return f"[{socket.inet_ntop(socket.AF_INET6, packed)}]:{int(port, 16)}"


def parse(text):
    """Yields the sockets in the text of /proc/net/tcp which a process has, or can
    still accept."""
    for line in text.splitlines()[1:]:
        if GONE in line:
            continue
        fields = line.split()
        unacknowledged, _, unread = fields[4].partition(":")
        yield Socket(int(fields[9]), address(fields[1]), address(fields[2]),
                     int(fields[3], 16), int(unread, 16),
                     int(unacknowledged, 16))


def read(proc, pid):
    """Returns all TCP sockets in the network namespace of a process."""
    found = []
    for name in ("tcp", "tcp6"):
        try:
            found += parse(proc.text(pid, "net", name))
        except OSError:
            pass  # The kernel has no IPv6, or hides the file.
    return found


def inode_of(descriptor):
    """Returns the inode number in "socket:[123]", or None for any other
    text."""
    match = re.fullmatch(r"socket:\[(\d+)\]", descriptor)
    return int(match[1]) if match else None


@dataclass(frozen=True)
class Sockets:
    """The listener of a server and its connections. `listener` is None if it is
    unknown. `by_inode` has all sockets of the namespace that a process
    holds."""

    listener: object
    connections: tuple
    by_inode: dict

    @property
    def accept_queue(self):
        """The number of connections in the accept queue."""
        return self.listener.unread if self.listener else 0


def of_server(proc, pid):
    """Returns the sockets of a server: the listener that its first process
    holds, and all connections to the listener's address, in whichever
    process."""
    all_sockets = read(proc, pid)
    by_inode = {one.inode: one for one in all_sockets if one.inode}
    own = sorted((fd, by_inode.get(inode_of(text)))
                 for fd, text in proc.descriptors(pid).items()
                 if inode_of(text) in by_inode)
    listener = next((one for _, one in own if one.is_listener), None)
    if listener is None:
        return Sockets(None, (), by_inode)
    host, _, port = listener.local.rpartition(":")
    anywhere = host in ("0.0.0.0", "[::]")
    connections = [
        one for one in all_sockets
        if not one.is_listener and one.state in STATES
        and (one.inode or one.state in (ESTABLISHED, 8))
        and (one.local.rpartition(":")[2] == port if anywhere
             else one.local == listener.local)]
    return Sockets(listener, tuple(connections), by_inode)
