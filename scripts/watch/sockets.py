"""The kernel's side of a server's connections, from /proc/PID/net/tcp."""

import re
import socket
import struct
from dataclasses import dataclass

ESTABLISHED, LISTENING = 1, 10
STATES = {1: "established", 4: "closing", 5: "closing", 7: "closed",
          8: "client has finished", 9: "closing", 11: "closing"}


@dataclass(frozen=True)
class Socket:
    inode: int  # 0: no process has it yet, it is in the accept queue
    local: str
    remote: str
    state: int
    unread: int  # bytes received that the server has not read; if it is a
    # listener: connections in its accept queue
    unacknowledged: int  # bytes sent that the client has not acknowledged

    @property
    def is_listener(self):
        return self.state == LISTENING

    @property
    def state_name(self):
        return STATES.get(self.state, "opening")


def address(text):
    """Decodes "0100007F:270F" as "127.0.0.1:9999". The kernel prints words of
    the machine's byte order."""
    host, _, port = text.partition(":")
    words = [int(host[i:i + 8], 16) for i in range(0, len(host), 8)]
    packed = struct.pack(f"={len(words)}I", *words)
    if len(packed) == 4:
        return f"{socket.inet_ntop(socket.AF_INET, packed)}:{int(port, 16)}"
    return f"[{socket.inet_ntop(socket.AF_INET6, packed)}]:{int(port, 16)}"


def parse(text):
    """Yields the sockets in a file like /proc/net/tcp."""
    for line in text.splitlines()[1:]:
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
            pass  # The kernel has no IPv6, or hides it.
    return found


def inode_of(descriptor):
    """Returns the inode in "socket:[123]"; None for anything else."""
    match = re.fullmatch(r"socket:\[(\d+)\]", descriptor)
    return int(match[1]) if match else None


@dataclass(frozen=True)
class Sockets:
    """The listener of a server, if it is known, and its connections."""

    listener: object
    connections: tuple
    by_inode: dict

    @property
    def accept_queue(self):
        return self.listener.unread if self.listener else 0


def of_server(proc, pid):
    """Returns the sockets of a server: of its first process the listener, and
    the connections to that address, whichever process has them."""
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
