"""Clients that a lecturer opens by a key of `watch`. No call of them blocks."""

import socket
import time

from lib.text import counted

SMALL, LARGE = 10, 40  # the n of cheap and of expensive requests
THINK_S = 0.5  # from a reply to the next request


class Client:
    """A connection to the server. An active client requests fib(SMALL) again
    and again; an idle client sends nothing."""

    def __init__(self, address, active):
        host, _, port = address.rpartition(":")
        host = host.strip("[]")
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.socket = socket.socket(family)
        self.socket.setblocking(False)
        self.socket.connect_ex((host, int(port)))
        self.active = active
        self.to_send = b""
        self.due_s = time.monotonic()
        self.sent_s = None  # when the outstanding request was sent
        self.replies = 0

    def ask(self, n):
        """Queues a request. At most one request is outstanding."""
        self.to_send += f"{n}\n".encode()
        self.sent_s = time.monotonic()

    def advance(self):
        """Sends and receives as much as is possible without blocking. Returns
        False once the server has closed the connection."""
        try:
            if self.to_send:
                self.to_send = self.to_send[self.socket.send(self.to_send):]
            data = self.socket.recv(4096)
        except BlockingIOError:
            return True
        except OSError:
            return False
        if b"\n" in data:
            self.replies += data.count(b"\n")
            self.sent_s = None
            self.due_s = time.monotonic() + THINK_S
        return bool(data)


class Clients:
    """All clients that `watch` has opened to one server."""

    def __init__(self):
        self.all = []
        self.lost = 0  # connections that the server closed
        self.replies_of_closed = 0

    def open(self, address, count=1, active=False):
        """Opens `count` connections, which are idle or active."""
        for _ in range(count):
            self.all.append(Client(address, active))

    def ask_large(self, address):
        """Requests fib(LARGE) on an active client that has no outstanding
        request, or on a new client if there is none."""
        free = (one for one in self.all if one.active and one.sent_s is None)
        client = next(free, None)
        if client is None:
            client = Client(address, active=True)
            self.all.append(client)
        client.ask(LARGE)

    def advance(self):
        """Sends the requests that are due, and receives the replies that have
        arrived. Closes the clients whose connection the server has closed."""
        now_s = time.monotonic()
        for one in list(self.all):
            if one.active and one.sent_s is None and now_s >= one.due_s:
                one.ask(SMALL)
            if not one.advance():
                self.lost += 1
                self.drop(one)

    def drop(self, one):
        """Closes a client, and keeps its number of replies for the total."""
        self.replies_of_closed += one.replies
        one.socket.close()
        self.all.remove(one)

    def close_all(self):
        for one in list(self.all):
            self.drop(one)

    def message(self):
        """Returns a line about the clients and their requests, or ""."""
        if not self.all and not self.lost:
            return ""
        waiting = [one.sent_s for one in self.all if one.sent_s is not None]
        replies = self.replies_of_closed + sum(one.replies for one in self.all)
        idle = sum(not one.active for one in self.all)
        said = (f"our clients: {len(self.all)} ({idle} idle), "
                f"{counted(replies, 'reply')}, {len(waiting)} waiting")
        if waiting:
            said += f", the first for {time.monotonic() - min(waiting):.1f} s"
        return said + (f"; {self.lost} lost" if self.lost else "")
