"""Hostile clients: what a server on an open network must withstand.

Each attack is a function, whose docstring says what its clients do. It gets an
Attack, and returns when its work is done. If it has no end of its own, it
returns when the attack is over. All attacks are deterministic except for the
timing: random data come from a seed.
"""

import contextlib
import random
import re
import selectors
import socket
import struct
import subprocess
import threading
import time

from lib.processes import CLIENT_OK, StartFailed, call

HOST = "127.0.0.1"
PATIENCE_S = 30  # for anything that every server must do
BUFFER_SIZE = 8192  # small, so that it is soon full
TCP_REPAIR = 19  # see tcp(7); not in the socket module
LONG_LINE = 8 << 20
PIPELINED = 10_000
GARBAGE_SIZE = 5000
BLOCK = 1 << 16
REQUESTS = b"1\n" * (BLOCK // 2)
BURST_S = 1  # for all clients of a burst: a refusal may arrive late
REFUSED = None  # the result of a connection that was reset

# A request that is longer than usual. When the accept queue overflows, Linux
# answers with SYN cookies and keeps no state. If it then drops a first segment
# as short as "1\n", it takes the second for the first: the request is lost.
LONG_ONE = b"0" * 20 + b"1\n"
FIFTY = b"15\n" * 50


class NotTried(Exception):
    """The attack is impossible here. The message gives the reason."""


def connect(port, buffer_size=0, segment_size=0):
    """Returns a connection, whose calls block for at most PATIENCE_S each."""
    client = socket.socket()
    client.settimeout(PATIENCE_S)
    if segment_size:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, segment_size)
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
    """Closes a connection with a reset, which discards all data in flight."""
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                      struct.pack("ii", 1, 0))
    client.close()


def read_lines(client, count):
    """Reads until at least `count` lines have arrived or the connection ends.
    Returns the data, and True if the connection has ended."""
    data = b""
    while data.count(b"\n") < count:
        piece = client.recv(BLOCK)
        if not piece:
            return data, True
        data += piece
    return data, False


class Attack:
    """An attack in a thread of its own, which closes its connections. A `with`
    block ends it, and waits for its thread unless an exception ends the block:
    the thread may be waiting for a reply."""

    def __init__(self, client, port, tools, seed=1, is_paced=False):
        self.port, self.tools = port, tools
        self.is_paced = is_paced  # send a slow server no more than it can serve
        self.random = random.Random(seed)
        self.clients = []
        self.complaints = []  # promises that the server did not keep
        self.not_tried = ""
        self.begun = threading.Event()  # the server can notice it
        self.quiet = threading.Event()  # asking() stays, but sends no more
        self.over = threading.Event()
        self.leaving = threading.Event()  # other clients are served from now on
        self.thread = threading.Thread(target=self.run, args=[client],
                                       daemon=True)
        self.thread.start()

    def run(self, client):
        """Runs the attack to its end. This is what the thread runs."""
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

    def connect(self, count=1, **sizes):
        """Opens connections that are closed when the attack has finished."""
        new = [connect(self.port, **sizes) for _ in range(count)]
        self.clients += new
        self.begun.set()
        return new

    def visit(self):
        """Opens a connection that the caller closes."""
        client = connect(self.port)
        self.begun.set()
        return client

    def demand(self, is_kept, complaint):
        """Records a complaint about the server, unless its promise is kept."""
        if not is_kept:
            self.complaints.append(complaint)

    def wait(self, timeout_s=None):
        """Waits until the attack is over, or for `timeout_s`."""
        self.over.wait(timeout_s)

    def __enter__(self):
        return self

    def __exit__(self, problem, *_):
        self.over.set()
        if problem is None:
            self.thread.join()


def flood(attack, count, block, reads=False, **sizes):
    """Runs clients that send `block` repeatedly, as fast as the server accepts
    it. They read their replies if `reads` is true."""
    selector = selectors.DefaultSelector()
    events = selectors.EVENT_WRITE | (selectors.EVENT_READ if reads else 0)
    for client in attack.connect(count, **sizes):
        client.setblocking(False)
        selector.register(client, events)
    while not attack.over.is_set():
        for key, ready in selector.select(timeout=0.05):
            with contextlib.suppress(BlockingIOError):
                if ready & selectors.EVENT_READ:
                    key.fileobj.recv(BLOCK)
                if ready & selectors.EVENT_WRITE:
                    key.fileobj.send(block)


# ---- Slow clients


def idle(attack):
    """Opens twenty connections and sends nothing."""
    attack.connect(20)
    attack.wait()


def dribbling(attack):
    """Ten clients send an endless request, one digit every 10 ms."""
    clients = attack.connect(10)
    while not attack.over.is_set():
        for client in clients:
            client.sendall(b"0")
        attack.wait(0.01)


def never_reading(attack):
    """Two clients send requests as fast as they can, and never read a reply."""
    flood(attack, 2, REQUESTS, buffer_size=BUFFER_SIZE)


# ---- Clients that leave


def resetting(attack):
    """Clients send requests one after the other, and leave while the server
    computes. Half of them reset the connection. The others close it, and the
    first reply then causes a reset."""
    while not attack.over.is_set():
        for leave in (reset, socket.socket.close):
            client = attack.visit()
            client.sendall(b"22\n" * 20)
            leave(client)
            attack.wait(0.001)
        if attack.is_paced:
            with attack.visit() as client:
                client.sendall(b"1\n")
                read_lines(client, 1)


def half_closing(attack):
    """Clients send requests, end their sending side, and want all replies."""
    while not attack.over.is_set():
        with attack.visit() as client:
            client.sendall(b"1\n" * 99 + b"10")
            client.shutdown(socket.SHUT_WR)
            replies, _ = read_lines(client, 101)
        attack.demand(replies == b"fib: 1\n" * 99 + b"fib: 55\n",
                      "a half-closed connection lacks replies")


def vanishing(attack):
    """Ten clients vanish without FIN or reset, as if unplugged."""
    for i, client in enumerate(attack.connect(10)):
        if i % 2:
            client.sendall(b"1")
        try:
            client.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR, 1)
        except PermissionError:
            raise NotTried("only root may let a connection vanish") from None
        client.close()
    attack.wait()


# ---- Many clients


def last_words(client):
    """Returns all data that arrive until a connection ends or breaks, or
    REFUSED if it breaks before any data."""
    data = b""
    with contextlib.suppress(OSError):
        while piece := client.recv(BLOCK):
            data += piece
        return data
    return data or REFUSED


def in_time(clients):
    """Yields the clients one after the other, each with a timeout. Together
    they may wait for about BURST_S."""
    until = time.monotonic() + BURST_S
    for client in clients:
        client.settimeout(max(0.001, until - time.monotonic()))
        yield client


def bursting(attack):
    """Opens 300 connections at once, and sends one request on each."""
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
    unserved = len(said) - said.count(b"fib: 1\n") - said.count(REFUSED)
    attack.demand(not unserved, f"of 300, {unserved} got neither their reply "
                  "nor a refusal")
    attack.wait()


def exhausting(attack):
    """Holds 100 connections to a server that may have 64 descriptors."""
    for client in attack.connect(100):
        client.sendall(b"1\n")
    attack.wait()


def churning(attack):
    """Opens connections without a pause, and resets each after one reply. A
    client may be served only after the time in which fibload counts replies:
    that is slow, and not a fault."""
    attack.begun.set()
    while True:
        status, said = call(
            [attack.tools / "fibload", "--churn", "-c", "8", "-d", "500ms",
             "--warmup", "0", "--grace", f"{PATIENCE_S}s", "--interval", "0",
             attack.port], 2 * PATIENCE_S)
        faults = re.findall(r"problem +(?!.*got no right reply)(.*)", said)
        attack.demand(status in CLIENT_OK and not faults,
                      f"churn: {'; '.join(faults) or status}")
        if attack.over.is_set():
            return


# ---- Clients that send a lot


def pipelining(attack):
    """Sends 10,000 requests at once, reads as many replies, and repeats."""
    client, = attack.connect()
    while not attack.over.is_set():
        client.sendall(b"1\n" * PIPELINED)
        replies, _ = read_lines(client, PIPELINED)
        attack.demand(replies == b"fib: 1\n" * PIPELINED,
                      "10,000 requests: replies are missing")


def raving(attack):
    """Clients connect, send random bytes, and close or reset the connection."""
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
    """Sends a line of 8 MB and a request, for one error and one reply."""
    client, = attack.connect()
    while not attack.over.is_set():
        client.sendall(b"1" * LONG_LINE + b"\n10\n")
        replies, _ = read_lines(client, 2)
        error, _, rest = replies.partition(b"\n")
        attack.demand(error.startswith(b"error: ") and rest == b"fib: 55\n",
                      "8 MB: not one error, and then the next reply")


def asking(attack):
    """Ten clients send correct requests and read the replies without a pause. A
    server that serves one client at a time may leave the other nine waiting."""
    selector = selectors.DefaultSelector()
    missing = {}  # replies not yet received, by client
    for client in attack.connect(10):
        client.sendall(FIFTY)
        missing[client] = 50
        selector.register(client, selectors.EVENT_READ)
    while not (attack.quiet.is_set() or attack.over.is_set()):
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
    attack.wait()
