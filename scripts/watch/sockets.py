"""Finds a server's connections among the sockets of its network namespace."""

import re
from dataclasses import dataclass

from lib import tcp

STATES = {1: "established", 4: "closing", 5: "closing", 7: "closed",
          8: "client has finished", 9: "closing", 11: "closing"}
# The states of a connection that a process can still accept.
ACCEPTABLE = (tcp.ESTABLISHED, tcp.CLOSE_WAIT)


def inode_of(descriptor):
    """Returns the inode number in "socket:[123]", or else None."""
    match = re.fullmatch(r"socket:\[(\d+)\]", descriptor)
    return int(match[1]) if match else None


@dataclass(frozen=True)
class Sockets:
    """The listener of a server, or None, and its connections. `by_inode` has
    all sockets of the namespace that a process holds."""

    listener: object
    connections: tuple
    by_inode: dict

    @property
    def accept_queue(self):
        """The number of connections in the accept queue."""
        return self.listener.unread if self.listener else 0


def of_server(proc, pid):
    """Returns the listener that a server's first process holds, and all
    connections to its address, in whichever process."""
    all_sockets = tcp.sockets(pid, proc.root)
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
        and (one.inode or one.state in ACCEPTABLE)
        and (one.local.rpartition(":")[2] == port if anywhere
             else one.local == listener.local)]
    return Sockets(listener, tuple(connections), by_inode)
