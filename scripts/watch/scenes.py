"""Defines the scenes of the replay player and plays them. The clients record
each of their steps, and the server records its own (--trace).

A record holds, in whole µs since the first client connected:

    clients     [connected, accepted, closed]: null for what never happened
    requests    [client, n, sent, received, begin, end, replied, arrived,
                 thread, core]: sent and arrived are the client's times, the
                 others the server's; it computes from begin to end,
                 and is on this core at the end
    threads     [first, last, client]: when a thread served, and the client it
                 was there for, -1 if for many
"""

import heapq
import itertools
import selectors
import socket
import struct
import time
from dataclasses import dataclass
from functools import partial

from lib import trace_events

RESET = struct.pack("ii", 1, 0)  # close() resets the connection


@dataclass(frozen=True)
class Script:
    """What one client does: connect, ask for fib(n) several times, leave."""

    connect_ms: float
    n: int = 0
    first_ms: float = 0
    requests: int = 0  # 0: it sends nothing
    every_ms: float = 0  # from a reply to the next request
    leave_ms: float = 0  # when an idle client leaves


@dataclass(frozen=True)
class Scene:
    """What the clients do, and which servers are shown side by side."""

    name: str
    title: str
    question: str
    scripts: tuple
    servers: tuple  # models, with options
    end_ms: float  # later events are not recorded


def scenes(models):
    """Returns the four scenes. `models` are the servers that play in them."""
    servers = tuple(models)
    backend = tuple(f"{model} --delay 100" for model in servers)
    return (
        Scene("idle", "An idle client comes first",
              "The first client connects and sends nothing. Which clients wait "
              "for it?",
              (Script(0, leave_ms=150),
               *(Script(5 + i, 20, 10 + i, 3, 15) for i in range(4))),
              servers, 300),
        # Four requests each: the kernel needs some ms to spread the threads.
        Scene("parallel", "Four clients ask for fib(32)",
              "Four clients ask four times each. Which servers use the second "
              "core?",
              tuple(Script(i / 10, 32, 5, 4) for i in range(4)), servers, 500),
        Scene("large", "Ten small requests beside one fib(40)",
              "Ten clients ask for fib(10) every 40 ms, one asks for fib(40). "
              "Which clients wait for it?",
              (*(Script(i / 10, 10, 5 + 4 * i, 10, 40) for i in range(10)),
               Script(2, 40, 60, 1)), servers, 1000),
        Scene("backend", "A hundred clients, and a backend of 100 ms",
              "A reply needs something that takes 100 ms and no CPU time. "
              "Which servers wait for all at once? (--trap blocks the thread.)",
              tuple(Script(0, 1, 5, 1) for i in range(100)),
              (*backend, "coroutine --delay 100 --trap"), 600))


# ---- The clients


class Client:
    """A client of a scene, which records the time of each of its steps."""

    def __init__(self, number, script, port):
        self.number, self.script = number, script
        self.connected_ns = time.monotonic_ns()
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.port = self.socket.getsockname()[1]
        self.socket.setblocking(False)
        self.sent_ns, self.arrived_ns = [], []
        self.closed_ns = None

    def send(self):
        self.sent_ns.append(time.monotonic_ns())
        self.socket.send(b"%d\n" % self.script.n)

    def receive(self):
        data = self.socket.recv(4096)
        now_ns = time.monotonic_ns()
        self.arrived_ns += [now_ns] * data.count(b"\n")

    def is_done(self):
        return len(self.arrived_ns) == self.script.requests

    def close(self):
        """Closes the connection. If a reply is outstanding, resets it, so that
        the server need not compute for a client that has left."""
        if self.closed_ns is None:
            self.closed_ns = time.monotonic_ns()
            if not self.is_done():
                self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                       RESET)
            self.socket.close()


class Play:
    """The clients of a scene, and a queue of their next steps, by time."""

    def __init__(self, scene, port):
        self.scene, self.port = scene, port
        self.start_ns = time.monotonic_ns()
        self.clients, self.due = [], []
        self.selector = selectors.DefaultSelector()
        for number, script in enumerate(scene.scripts):
            self.plan(script.connect_ms, "connect", number)

    def plan(self, at_ms, what, number):
        """Adds a step of a client, which is a method, to the queue."""
        heapq.heappush(self.due, (at_ms, len(self.due), what, number))

    def now_ms(self):
        return (time.monotonic_ns() - self.start_ns) / 1e6

    def run(self):
        """Plays until all clients have left or the scene ends. Blocks."""
        while self.now_ms() < self.scene.end_ms and (
                self.due or self.selector.get_map()):
            next_ms = self.due[0][0] if self.due else self.scene.end_ms
            wait_s = max(0, min(next_ms, self.scene.end_ms)
                         - self.now_ms()) / 1000
            if self.selector.get_map():
                self.receive(wait_s)
            else:
                time.sleep(wait_s)
            while self.due and self.due[0][0] <= self.now_ms():
                _, _, what, number = heapq.heappop(self.due)
                getattr(self, what)(number)
        self.selector.close()
        for client in self.clients:
            client.close()

    def receive(self, timeout_s):
        """Waits for replies for at most `timeout_s`, and plans the next step of
        each client that has received one."""
        for key, _ in self.selector.select(timeout_s):
            client = key.data
            client.receive()
            if client.is_done():
                self.leave(client.number)
            elif len(client.sent_ns) < client.script.requests:
                self.plan(self.now_ms() + client.script.every_ms, "send",
                          client.number)

    def connect(self, number):
        script = self.scene.scripts[number]
        client = Client(number, script, self.port)
        self.clients.append(client)
        self.clients.sort(key=lambda one: one.number)
        self.selector.register(client.socket, selectors.EVENT_READ, client)
        if script.requests:
            self.plan(max(script.first_ms, self.now_ms()), "send", number)
        else:
            self.plan(script.leave_ms, "leave", number)

    def client(self, number):
        return next(one for one in self.clients if one.number == number)

    def send(self, number):
        self.client(number).send()

    def leave(self, number):
        self.selector.unregister(self.client(number).socket)
        self.client(number).close()


# ---- One record of both sides


def since(start_us, time_us):
    """Returns a time as whole µs since the start, None for one of no event."""
    if time_us is None or time_us == trace_events.OPEN_END_US:
        return None
    return round(time_us - start_us)


def threads_of(connections, end_us):
    """Returns the threads that served the clients: {tid: [first, last,
    client]}. `connections` are pairs of a client's number and connection."""
    seen = {}
    for client, one in connections:
        times = {one.tid: [one.accepted_us]}
        for request in one.requests:
            times.setdefault(request.tid, []).append(request.begin_us)
        if one.closing_tid:  # This thread may have received no request.
            times.setdefault(one.closing_tid, []).append(one.accepted_us)
        for tid, of in times.items():
            seen.setdefault(tid, []).append((client, min(of), min(
                one.closed_us, end_us)))
    found = {}
    for tid, spans in seen.items():
        clients = {client for client, _, _ in spans}
        found[tid] = [min(span[1] for span in spans),
                      max(span[2] for span in spans),
                      clients.pop() if len(clients) == 1 else -1]
    return found


def record(server, play, trace):
    """Returns the record of a play. `trace` is the server's."""
    start_us = min(one.connected_ns for one in play.clients) / 1000
    end_us = start_us + play.scene.end_ms * 1000
    by_port = {one.client_port: one
               for one in trace_events.connections(trace).values()}
    pairs = [(client.number, by_port[client.port]) for client in play.clients
             if client.port in by_port]
    threads = dict(sorted(threads_of(pairs, end_us).items()))
    numbers = {tid: i for i, tid in enumerate(threads)}
    at = partial(since, start_us)
    clients, requests = [], []
    for client in play.clients:
        served = by_port.get(client.port)
        clients.append([at(client.connected_ns / 1000),
                        at(served and served.accepted_us),
                        at(client.closed_ns / 1000)])
        for sent_ns, arrived_ns, of in itertools.zip_longest(
                client.sent_ns, client.arrived_ns,
                served.requests if served else ()):
            times_us = ((of.received_us, of.begin_us, of.end_us, of.sent_us)
                        if of else (None,) * 4)
            requests.append([
                client.number, client.script.n, at(sent_ns / 1000),
                *map(at, times_us), at(arrived_ns and arrived_ns / 1000),
                numbers[of.tid] if of else -1, of.cpu if of else -1])
    return {"server": server, "clients": clients, "requests": requests,
            "threads": [[at(first_us), at(last_us), client]
                        for first_us, last_us, client in threads.values()]}
