"""Hostile clients: what a server on the open network has to put up with.

Each is a function that is given an Attack and returns when its job is done, or
when the attack is over if it has none. What a client does is its docstring.
All are deterministic but for the times; what is random comes from a seed.
"""

import contextlib
import random
import selectors
import socket
import struct
import subprocess
import threading
import time

from lib.processes import StartFailed, call

HOST = "127.0.0.1"
PATIENCE_S = 30  # for what any server must do
BUFFER_SIZE = 8192  # small, so that it is full soon
TCP_REPAIR = 19  # see tcp(7); not in the socket module
LONG_LINE = 8 << 20
PIPELINED = 10_000
GARBAGE_SIZE = 5000
BLOCK = 1 << 16
BURST_S = 1  # for all of a burst: who is refused may learn it late
REFUSED = None  # what a connection says that was reset

# A request with more bytes than 3. When a queue overflows, Linux answers with
# SYN cookies and remembers nothing; if it then loses a first segment as short
# as "1\n", it takes the second for the first, and the request is gone.
LONG_ONE = b"0" * 20 + b"1\n"
FIFTY = b"15\n" * 50


class NotTried(Exception):
    """This attack is not possible here; the message says why."""


def connect(port, buffer_size=0):
    """A connection. Nothing on it waits for longer than PATIENCE_S."""
    client = socket.socket()
    client.settimeout(PATIENCE_S)
    if buffer_size:
        for option in (socket.SO_SNDBUF, socket.SO_RCVBUF):
            client.setsockopt(socket.SOL_SOCKET, option, buffer_size)
    try:
        client.connect((HOST, port))
    except OSError:
        client.close()
        raise
    return client


def reset(client):
    """Ends a connection at once, with what is under way on it."""
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                      struct.pack("ii", 1, 0))
    client.close()


def read_lines(client, count):
    """As many lines as come, up to count; and whether the end has come."""
    data = b""
    while data.count(b"\n") < count:
        piece = client.recv(BLOCK)
        if not piece:
            return data, True
        data += piece
    return data, False


class Attack:
    """A hostile client at work, in a thread of its own. Its connections are
    closed when it has finished."""

    def __init__(self, client, port, pid, tools, seed=1,
                 is_paced=False):
        self.port, self.pid, self.tools = port, pid, tools
        self.is_paced = is_paced  # a slow server gets no more than it can do
        self.random = random.Random(seed)
        self.clients = []
        self.complaints = []  # what it had a right to, and did not get
        self.not_tried = ""
        self.begun = threading.Event()  # a server can notice it
        self.over = threading.Event()
        self.leaving = threading.Event()  # from here on others are served
        self.thread = threading.Thread(target=self.run, args=[client],
                                       daemon=True)
        self.thread.start()

    def run(self, client):
        try:
            client(self)
        except NotTried as reason:
            self.not_tried = str(reason)
        except (OSError, StartFailed, subprocess.TimeoutExpired) as problem:
            self.complaints.append(f"{client.__name__}: {problem}")
        self.begun.set()
        self.leaving.set()
        for one in self.clients:
            one.close()

    def connect(self, count=1, buffer_size=0):
        new = [connect(self.port, buffer_size) for _ in range(count)]
        self.clients += new
        self.begun.set()
        return new

    def visit(self):
        """A connection that the client closes itself."""
        client = connect(self.port)
        self.begun.set()
        return client

    def demand(self, got, what):
        if not got:
            self.complaints.append(what)

    def rest(self):
        self.over.wait()

    def pause(self, seconds):
        self.over.wait(seconds)

    def end(self):
        self.over.set()
        self.thread.join()


# ---- They take their time


def silent(attack):
    """Twenty connect and send nothing."""
    attack.connect(20)
    attack.rest()


def dribbling(attack):
    """Ten send a request of 100 digits, one digit every 10 ms."""
    clients = attack.connect(10)
    while not attack.over.is_set():
        for client in clients:
            client.sendall(b"0")
        attack.pause(0.01)


def never_reading(attack):
    """Two ask as fast as they can and never read a reply."""
    clients = attack.connect(2, BUFFER_SIZE)
    requests = b"1\n" * (BLOCK // 2)
    for client in clients:
        client.setblocking(False)
    while not attack.over.is_set():
        for client in clients:
            with contextlib.suppress(BlockingIOError):
                client.send(requests)
        attack.pause(0.001)


# ---- They leave, and how


def resetting(attack):
    """One after the other asks, and leaves during the work: by a reset, or by
    a close, to which the first reply makes it a reset."""
    while not attack.over.is_set():
        for leave in (reset, socket.socket.close):
            client = attack.visit()
            client.sendall(b"22\n" * 20)
            leave(client)
            attack.pause(0.001)
        if attack.is_paced:
            with attack.visit() as client:
                client.sendall(b"1\n")
                read_lines(client, 1)


def half_closing(attack):
    """One after the other asks, ends its side, and wants all its replies."""
    while not attack.over.is_set():
        with attack.visit() as client:
            client.sendall(b"1\n" * 99 + b"10")
            client.shutdown(socket.SHUT_WR)
            replies, _ = read_lines(client, 101)
        attack.demand(replies == b"fib: 1\n" * 99 + b"fib: 55\n",
                      "a half-closed connection lacks replies")


def vanishing(attack):
    """Ten are gone without a word, as if unplugged: no FIN, no reset."""
    for i, client in enumerate(attack.connect(10)):
        if i % 2:
            client.sendall(b"1")
        try:
            client.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR, 1)
        except PermissionError:
            raise NotTried("only root may let a connection vanish") from None
        client.close()
    attack.rest()


# ---- They are many


def last_words(client):
    """All that comes until the end of a connection, or until it breaks."""
    data = b""
    with contextlib.suppress(OSError):
        while piece := client.recv(BLOCK):
            data += piece
        return data
    return data or REFUSED


def in_time(clients):
    """One after the other; together they may wait for BURST_S."""
    until = time.monotonic() + BURST_S
    for client in clients:
        client.settimeout(max(0.001, until - time.monotonic()))
        yield client


def bursting(attack):
    """300 connect at the same moment, ask once, and are done."""
    clients = [socket.socket() for _ in range(300)]
    attack.clients += clients
    for client in clients:
        client.setblocking(False)
        client.connect_ex((HOST, attack.port))
    attack.begun.set()
    for client in in_time(clients):
        with contextlib.suppress(OSError):
            client.sendall(LONG_ONE)  # Waits until it is connected.
            client.shutdown(socket.SHUT_WR)
    said = [last_words(client) for client in in_time(clients)]
    cheated = len(said) - said.count(b"fib: 1\n") - said.count(REFUSED)
    attack.demand(not cheated, f"of 300, {cheated} got neither their reply "
                  "nor a refusal")
    attack.rest()


def exhausting(attack):
    """100 stay connected to a server that may have 64 descriptors."""
    for client in attack.connect(100):
        client.sendall(b"1\n")
    attack.rest()


def churning(attack):
    """Connections are made, used once and reset, as fast as can be."""
    attack.begun.set()
    while True:
        status, _ = call(
            [attack.tools / "fibload", "--churn", "-c", "8", "-d", "500ms",
             "--warmup", "0", "--interval", "0", attack.port], PATIENCE_S)
        attack.demand(status == 0, "churn: not every reply was right")
        if attack.over.is_set():
            return


# ---- They send a lot


def pipelining(attack):
    """10,000 requests in one piece, then as many replies, and again."""
    client, = attack.connect()
    while not attack.over.is_set():
        client.sendall(b"1\n" * PIPELINED)
        replies, _ = read_lines(client, PIPELINED)
        attack.demand(replies == b"fib: 1\n" * PIPELINED,
                      "10,000 requests: replies are missing")


def raving(attack):
    """One after the other sends garbage, and leaves in some way."""
    while not attack.over.is_set():
        client = attack.visit()
        with contextlib.suppress(OSError):
            client.sendall(attack.random.getrandbits(8 * GARBAGE_SIZE)
                           .to_bytes(GARBAGE_SIZE, "little"))
        if attack.random.random() < 0.5:
            reset(client)
        else:
            client.close()


def endless(attack):
    """A line of 8 MB: one error, then the next request's reply, and again."""
    client, = attack.connect()
    while not attack.over.is_set():
        client.sendall(b"1" * LONG_LINE + b"\n10\n")
        replies, _ = read_lines(client, 2)
        error, _, rest = replies.partition(b"\n")
        attack.demand(error.startswith(b"error: ") and rest == b"fib: 55\n",
                      "8 MB: not one error, and then the next reply")


def asking(attack):
    """Ten ask all the time, and read: nothing but load. A server that serves
    one at a time owes the other nine nothing."""
    selector = selectors.DefaultSelector()
    missing = {}  # replies, by client
    for client in attack.connect(10):
        client.sendall(FIFTY)
        missing[client] = 50
        selector.register(client, selectors.EVENT_READ)
    while not attack.over.is_set():
        for key, _ in selector.select(timeout=0.05):
            client = key.fileobj
            piece = client.recv(BLOCK)
            if not piece:
                attack.demand(False, "the server has ended a conversation")
                return
            missing[client] -= piece.count(b"\n")
            if missing[client] == 0:
                client.sendall(FIFTY)
                missing[client] = 50
