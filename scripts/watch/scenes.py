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

import itertools
import sched
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
    scripts: tuple  # in the order in which they connect
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


def now_us():
    """Returns the time on the clock of the servers' traces."""
    return time.monotonic_ns() / 1000


class Client:
    """A client of a scene, which records the time of each of its steps."""

    def __init__(self, script, port):
        self.script = script
        self.connected_us, self.closed_us = now_us(), None
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.port = self.socket.getsockname()[1]
        self.socket.setblocking(False)
        self.sent_us, self.arrived_us = [], []

    def send(self):
        self.sent_us.append(now_us())
        self.socket.send(b"%d\n" % self.script.n)

    def receive(self):
        data = self.socket.recv(4096)
        self.arrived_us += [now_us()] * data.count(b"\n")

    def is_done(self):
        return len(self.arrived_us) == self.script.requests

    def close(self):
        """Closes the connection. If a reply is outstanding, resets it, so that
        the server need not compute for a client that has left."""
        if self.closed_us is None:
            self.closed_us = now_us()
            if not self.is_done():
                self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                       RESET)
            self.socket.close()


class Play:
    """The clients of a scene, and the schedule of their next steps. Until the
    next step is due, replies are received."""

    def __init__(self, scene, port):
        self.scene, self.port = scene, port
        self.clients = []
        self.selector = selectors.DefaultSelector()
        self.schedule = sched.scheduler(time.monotonic, self.receive)
        self.start_s = time.monotonic()
        self.end = self.plan(scene.end_ms, self.stop)
        for script in scene.scripts:
            self.plan(script.connect_ms, self.connect, script)

    def plan(self, at_ms, step, *arguments):
        """Adds a step to the schedule, and returns it. `at_ms` is since the
        start of the scene."""
        return self.schedule.enterabs(self.start_s + at_ms / 1000, 0, step,
                                      arguments)

    def run(self):
        """Plays until all clients have left or the scene ends. Blocks."""
        self.schedule.run()
        self.selector.close()
        for client in self.clients:
            client.close()

    def stop(self):
        for step in self.schedule.queue:
            self.schedule.cancel(step)

    def receive(self, timeout_s):
        """Waits for replies for at most `timeout_s`, and plans the next step of
        each client that has received one."""
        for key, _ in self.selector.select(timeout_s):
            client = key.data
            client.receive()
            if client.is_done():
                self.leave(client)
            elif len(client.sent_us) < client.script.requests:
                self.schedule.enter(client.script.every_ms / 1000, 0,
                                    client.send)

    def connect(self, script):
        client = Client(script, self.port)
        self.clients.append(client)
        self.selector.register(client.socket, selectors.EVENT_READ, client)
        if script.requests:
            self.plan(script.first_ms, client.send)
        else:
            self.plan(script.leave_ms, self.leave, client)

    def leave(self, client):
        self.selector.unregister(client.socket)
        client.close()
        if not self.selector.get_map() and self.schedule.queue == [self.end]:
            self.schedule.cancel(self.end)


# ---- One record of both sides


def threads_of(connections, end_us):
    """Returns the threads that served the clients: {tid: [first, last,
    client]}. `connections` are pairs of a client's number and connection."""
    spans = {}
    for client, one in connections:
        times = [(one.tid, one.accepted_us)]
        times += [(request.tid, request.begin_us) for request in one.requests]
        if one.closing_tid:  # This thread may have received no request.
            times.append((one.closing_tid, one.accepted_us))
        last_us = min(one.closed_us, end_us)
        for tid, first_us in times:
            spans.setdefault(tid, []).append((first_us, last_us, client))
    found = {}
    for tid, of in sorted(spans.items()):
        first_us, last_us, clients = zip(*of)
        found[tid] = [min(first_us), max(last_us),
                      clients[0] if len(set(clients)) == 1 else -1]
    return found


def record(server, play, trace):
    """Returns the record of a play. `trace` is the server's."""
    start_us = min(one.connected_us for one in play.clients)
    at = partial(trace_events.since, start_us)
    by_port = {one.client_port: one
               for one in trace_events.connections(trace).values()}
    served_by = [by_port.get(client.port) for client in play.clients]
    threads = threads_of([pair for pair in enumerate(served_by) if pair[1]],
                         start_us + play.scene.end_ms * 1000)
    numbers = {tid: i for i, tid in enumerate(threads)}
    clients, requests = [], []
    for number, (client, served) in enumerate(zip(play.clients, served_by)):
        clients.append([at(client.connected_us),
                        at(served and served.accepted_us),
                        at(client.closed_us)])
        for sent_us, arrived_us, of in itertools.zip_longest(
                client.sent_us, client.arrived_us,
                served.requests if served else ()):
            times_us = ((of.received_us, of.begin_us, of.end_us, of.sent_us)
                        if of else (None,) * 4)
            requests.append([
                number, client.script.n, at(sent_us), *map(at, times_us),
                at(arrived_us), numbers[of.tid] if of else -1,
                of.cpu if of else -1])
    return {"server": server, "clients": clients, "requests": requests,
            "threads": [[at(first_us), at(last_us), client]
                        for first_us, last_us, client in threads.values()]}
