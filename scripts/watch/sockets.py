"""Finds a server's connections among the sockets of its network namespace."""

from dataclasses import dataclass

from lib import tcp
from watch import proc

STATES = {1: "established", 4: "closing", 5: "closing", 7: "closed",
          8: "client has finished", 9: "closing", 11: "closing"}
# The states of a connection that a process can still accept.
ACCEPTABLE = (tcp.ESTABLISHED, tcp.CLOSE_WAIT)


@dataclass(frozen=True)
class Sockets:
    """The listener of a server, or None, and its connections. `by_name` has all
    sockets of the namespace that a process holds, by their names in /proc."""

    listener: object
    connections: tuple
    by_name: dict


def of_server(pid):
    """Returns the listener that a server's first process holds, and all
    connections to its address, in whichever process."""
    all_sockets = tcp.sockets(proc.ROOT / str(pid))
    by_name = {f"socket:[{one.inode}]": one for one in all_sockets if one.inode}
    own = (by_name.get(name) for _, name in sorted(
        proc.descriptors(pid).items()))
    listener = next((one for one in own if one and one.is_listener), None)
    if listener is None:
        return Sockets(None, (), by_name)
    host, _, port = listener.local.rpartition(":")
    anywhere = host in ("0.0.0.0", "[::]")
    connections = [
        one for one in all_sockets if one.state in STATES
        and (one.inode or one.state in ACCEPTABLE)
        and (one.local.rpartition(":")[2] == port if anywhere
             else one.local == listener.local)]
    return Sockets(listener, tuple(connections), by_name)
