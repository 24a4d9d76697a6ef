"""Reads Chrome trace events, and merges a server's trace with its client's.

A server's trace (servers/common/trace.h) says for each connection when it was
accepted and closed. For each request it says when it was received, when, by
which thread and on which processor it was computed, and when it was answered.

A client's trace has one event of the category "request" for each request. The
event lasts from when the request was due or sent until its reply came, and
names the client's port.
"""

import math
from collections import deque
from dataclasses import dataclass, field

OPEN_END_US = math.inf
BEGIN, END = ("b", "connection"), ("e", "connection")  # phase and name


@dataclass
class Request:
    """One request as the server recorded it. Times are in µs."""

    n: int  # 0: invalid request
    received_us: float
    begin_us: float
    end_us: float
    tid: int
    cpu: int
    sent_us: float = OPEN_END_US


@dataclass
class Connection:
    """One connection and its requests at the server. Times are in µs."""

    client_port: int
    accepted_us: float
    tid: int  # of the thread that accepted it
    closed_us: float = OPEN_END_US
    closing_tid: int = 0  # 0: it was not closed
    received_us: float = 0  # when data last arrived
    requests: list = field(default_factory=list)
    unsent: deque = field(default_factory=deque)  # requests without a reply


def fib_of(name):
    """Returns the n of an event named "fib(30)", or 0 for "error"."""
    return int(name[4:-1]) if name.startswith("fib(") else 0


def number_of(event):
    """Returns the number of an event's connection, or None."""
    return event.get("args", {}).get("connection")


def in_order(events):
    return sorted(events, key=lambda event: event["ts"])


def connections(trace, ports=None):
    """Returns the connections in a server's trace, as a dictionary by their
    numbers: all, or those of clients with these ports."""
    events, found = trace["traceEvents"], {}
    for event in in_order(event for event in events
                          if (event["ph"], event["name"]) == BEGIN):
        port = event["args"]["client_port"]
        if ports is None or port in ports:
            found[number_of(event)] = Connection(port, event["ts"],
                                                 event["tid"])
    for event in in_order(event for event in events
                          if number_of(event) in found):
        note(found[number_of(event)], event)
    return found


def note(connection, event):
    """Records one event in its connection."""
    kind = event["ph"], event["name"]
    if kind == END:
        connection.closed_us = event["ts"]
        connection.closing_tid = event["tid"]
    elif kind == ("i", "received"):
        connection.received_us = event["ts"]
    elif event["ph"] == "X":
        request = Request(
            fib_of(event["name"]), connection.received_us, event["ts"],
            event["ts"] + event["dur"], event["tid"], event["args"]["cpu"])
        connection.requests.append(request)
        connection.unsent.append(request)
    elif kind == ("i", "sent") and connection.unsent:
        connection.unsent.popleft().sent_us = event["ts"]


def since(start_us, time_us):
    """Returns a time as whole µs since the start, or None for the time of an
    event that never happened."""
    if time_us is None or time_us == OPEN_END_US:
        return None
    return round(time_us - start_us)


# ---- The traces of server and client together


def is_request(event):
    return event.get("cat") == "request" and event["ph"] == "X"


def joined(server, client):
    """Yields each request event of the client's trace with its Request of the
    server's trace, or with None if the server never received it. On a
    connection, requests match in the order of sending and receiving."""
    sent, by_port = {}, {}
    for event in client["traceEvents"]:
        if is_request(event):
            sent.setdefault(event["args"]["port"], []).append(event)
    for connection in connections(server, sent).values():
        by_port.setdefault(connection.client_port, []).append(connection)
    for port, events in sent.items():
        requests = (request for connection in by_port.get(port, [])
                    for request in connection.requests)
        for event in in_order(events):
            yield event, next(requests, None)


def flows(server, client, first_id):
    """Yields the events of the arrows, two for each, that lead from the
    client's requests to the server. `first_id` identifies the first arrow."""
    received = (pair for pair in joined(server, client) if pair[1])
    for number, (event, request) in enumerate(received, first_id):
        common = {"cat": "flow", "name": "request", "id": number}
        yield {"ph": "s", "pid": event["pid"], "tid": event["tid"],
               "ts": event["ts"], **common}
        yield {"ph": "f", "bp": "e", "pid": server["traceEvents"][0]["pid"],
               "tid": request.tid, "ts": request.begin_us, **common}


def merged(traces):
    """Returns one trace with all events, and arrows from client to server."""
    events = [event for trace in traces for event in trace["traceEvents"]]
    servers = [trace for trace in traces
               if "model" in trace.get("otherData", {})]
    clients = [trace for trace in traces if any(
        map(is_request, trace["traceEvents"]))]
    for server in servers:
        for client in clients:
            events += flows(server, client, len(events))
    return {"displayTimeUnit": "ns", "traceEvents": events}
