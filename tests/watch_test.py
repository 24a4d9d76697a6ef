#!/usr/bin/env python3
"""Tests of the programs that make waiting visible: `make watch` (what /proc
says, in words, in windows of any size, in a pseudo-terminal), traces and their
replay. The parts are chosen as tap.py describes."""

import contextlib
import dataclasses
import fcntl
import json
import os
import pathlib
import pty
import re
import select
import shlex
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import termios
import time
import unittest
import unittest.mock

import tap
from programs import (
    CHECK_S, PATIENCE_S, folder_for, run, started, wait_until)
import under_test
from under_test import (
    ALL_MODELS, BIN, MODELS, REFERENCE, calls, coroutines, proc, program,
    screen, sockets, symbols, tcp, trace_events)

BLOCKED, RUNNING = under_test.snapshot.BLOCKED, under_test.snapshot.RUNNING
Connection, Row = under_test.snapshot.Connection, under_test.snapshot.Row
Snapshot = under_test.snapshot.Snapshot

LONG_S = 10 * PATIENCE_S  # for a program in Python on a busy machine
PR_SET_DUMPABLE = 4
NOBODY = 65534
CODE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")

NET_TCP = """\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt
   0: 0100007F:270F 00000000:0000 0A 00000000:00000003 00:00000000 00000000 0 0 77
   1: 0100007F:270F 0100007F:A0AA 01 00000010:0000001E 00:00000000 00000000 0 0 78
   2: 0100007F:270F 0100007F:A0AB 01 00000000:00000003 00:00000000 00000000 0 0 0
   3: 0100007F:A0AA 0100007F:270F 01 00000000:00000000 00:00000000 00000000 0 0 79
   4: 0100007F:270F 0100007F:A0AC 06 00000000:00000000 00:00000000 00000000 0 0 0
"""


def number_of(name):
    """Returns the number of a system call on this machine."""
    return next(number for number, known in calls.NAMES.items()
                if known == name)


class WithMadeUpProc(unittest.TestCase):
    """Tests with a /proc that is a folder of files. It has the process 7, which
    has one thread."""

    def setUp(self):
        self.root = folder_for(self)
        patch = unittest.mock.patch.object(proc, "ROOT", self.root)
        self.addCleanup(patch.stop)
        patch.start()
        self.write_stat("S")
        self.write("7/cmdline", "bin/thread\0--delay\0" + "100\0")
        self.write("7/task/7/status", "voluntary_ctxt_switches:\t5\n"
                                      "nonvoluntary_ctxt_switches:\t2\n")
        self.write("7/task/7/wchan", "inet_csk_accept")
        self.write("7/net/tcp", NET_TCP)
        (self.root / "7/fd").mkdir()
        for fd, inode in ((3, 77), (4, 78)):
            os.symlink(f"socket:[{inode}]", self.root / f"7/fd/{fd}")

    def write(self, path, text):
        where = self.root / path
        where.parent.mkdir(parents=True, exist_ok=True)
        where.write_text(text)

    def write_stat(self, state):
        fields = [state, "1", *["0"] * 34, "1", *["0"] * 10]
        fields[11] = "250"
        for path in ("7/stat", "7/task/7/stat"):
            self.write(path, f"7 (a (b) c) {' '.join(fields)}\n")

    def in_call(self, name, *arguments):
        """Makes the thread appear to be in a system call."""
        words = [*map(hex, arguments), *["0x0"] * (6 - len(arguments))]
        self.write("7/task/7/syscall", f"{number_of(name)} {' '.join(words)} "
                                       "0x7ffc00000000 0x7f0000000000\n")

    def words(self):
        """Returns the process and the Words that describe its calls."""
        process = proc.process(7)
        return process, calls.Words(sockets.of_server(7), process,
                                    symbols.Symbols(7))


class Reading(WithMadeUpProc):
    def test_a_thread_of_the_kernel_is_in_no_system_call(self):
        self.write("7/task/7/syscall", f"0{' 0x0' * 8}\n")
        thread = proc.process(7).threads[0]
        self.assertEqual((thread.number, thread.is_hidden), (-1, False))

    def test_a_process_whose_name_has_brackets(self):
        found = proc.process(7)
        self.assertEqual(found.name, "a (b) c")
        self.assertEqual(found.command[1:], ("--delay", "100"))

    def test_what_a_thread_has_used(self):
        thread = proc.process(7).threads[0]
        self.assertEqual((thread.state, thread.processor, thread.switches),
                         ("S", 1, 7))
        self.assertEqual(thread.cpu_ns, 250 * 10**9 // os.sysconf("SC_CLK_TCK"))
        self.write("7/task/7/schedstat", "123456 0 9\n")
        self.assertEqual(proc.process(7).threads[0].cpu_ns, 123456)

    def test_a_hidden_system_call_leaves_the_kernel_function(self):
        thread = proc.process(7).threads[0]
        self.assertEqual((thread.number, thread.wchan),
                         (-1, "inet_csk_accept"))
        self.assertTrue(thread.is_hidden)

    def test_why_system_calls_are_hidden(self):
        for why in ("another user", "Yama (ptrace_scope 1)"):
            hidden = proc.hidden_because()
            self.assertIn(why, hidden)
            texts = [line.text for line in screen.head(
                snapshot_of(1, hidden=hidden))]
            self.assertLessEqual(max(map(len, texts)), 80, texts)
            self.write("sys/kernel/yama/ptrace_scope", "1\n")

    def test_a_zombie_has_ended(self):
        self.write_stat("Z")
        with self.assertRaises(ProcessLookupError):
            proc.process(7)

    def test_the_tree_has_grandchildren(self):
        for pid, parent in ((8, 7), (9, 8), (10, 2)):
            self.write(f"{pid}/stat", f"{pid} (x) S {parent} 0\n")
        self.assertEqual(proc.tree(7), [7, 8, 9])

    def test_a_thread_has_not_run_since_the_clock_says(self):
        clocks = under_test.clock.ProcessorClocks()
        clocks.known[1] = 1000, 500  # compared at 1000; 500 ns ahead
        thread = proc.Thread(7, 7, "S", 1, 0, 0, exec_start_ns=2000,
                             seen_ns=9000, unchanged_ns=9000)
        self.assertEqual(clocks.not_run_ns(thread), 9000 + 500 - 2000)
        thread.exec_start_ns = 0  # The kernel does not say.
        self.assertIsNone(clocks.not_run_ns(thread))


class OfTheKernel(WithMadeUpProc):
    def test_addresses(self):
        # As a little-endian machine prints them.
        if sys.byteorder != "little":
            self.skipTest("a big-endian machine")
        self.assertEqual(tcp.printed_address("0100007F:270F"),
                         "127.0.0.1:9999")
        self.assertEqual(
            tcp.printed_address("00000000000000000000000001000000:0050"),
            "[::1]:80")

    def test_the_connections_of_a_server(self):
        found = sockets.of_server(7)
        self.assertEqual(found.listener.local, "127.0.0.1:9999")
        self.assertEqual(found.listener.unread, 3)
        self.assertEqual(
            [(one.remote, bool(one.inode), one.unread, one.unacknowledged)
             for one in found.connections],
            [("127.0.0.1:41130", True, 30, 16),
             ("127.0.0.1:41131", False, 3, 0)])

    def one_of_each(self, family, host):
        """Opens a listener, a connection in its accept queue with unread bytes,
        and one in TIME_WAIT. Returns the listener's port, as it ends an
        address."""
        def opened(one):
            self.addCleanup(one.close)
            return one

        listener = opened(socket.socket(family))
        listener.bind((host, 0))
        listener.listen()
        address = listener.getsockname()[:2]
        with socket.create_connection(address):
            listener.accept()[0].close()  # It closes first.
        opened(socket.create_connection(address)).sendall(b"1\n")
        return f":{address[1]}"

    def test_both_sources_list_the_same_sockets(self):
        folder = pathlib.Path("/proc/self/net")
        for family, host in ((socket.AF_INET, "127.0.0.1"),
                             (socket.AF_INET6, "::1")):
            try:
                port = self.one_of_each(family, host)
            except OSError:
                self.assertEqual(family, socket.AF_INET6)
                continue  # There is no IPv6.
            def ours(found):
                return {dataclasses.astuple(one)[:5] for one in found
                        if port in (one.local[-len(port):],
                                    one.remote[-len(port):])}

            # A list of the kernel lacks one if others are closed meanwhile.
            wait_until(lambda: len(ours(tcp.asked(family))) == 3 and
                       ours(tcp.asked(family)) == ours(tcp.printed(folder)),
                       "both sources list the same three sockets")

    def test_a_socket_that_is_listed_twice_counts_once(self):
        once = tcp.sockets(self.root / "7")
        _, *lines = NET_TCP.splitlines(keepends=True)
        self.write("7/net/tcp", NET_TCP + "".join(lines))
        self.assertEqual(tcp.sockets(self.root / "7"), once)

    def test_without_sock_diag_proc_is_read(self):
        with unittest.mock.patch.object(tcp, "asked", side_effect=OSError):
            port = self.one_of_each(socket.AF_INET, "127.0.0.1")
            self.assertEqual([one.unread for one in tcp.sockets()
                              if one.is_listener and one.local.endswith(port)],
                             [1])


class InWords(WithMadeUpProc):
    def say(self, name, *arguments):
        """Returns in words that the thread is blocked in this call."""
        self.in_call(name, *arguments)
        process, words = self.words()
        return words.describe(process.threads[0])

    def remember(self, address, form, *values):
        """Puts values into the memory of the process at an address."""
        with open(self.root / "7/mem", "wb") as file:
            file.seek(address)
            file.write(struct.pack(form, *values))

    def test_accept_and_recv_name_the_socket(self):
        self.assertEqual(self.say("accept", 3), "accept on the listener")
        self.assertEqual(self.say("recv", 4),
                         "recv from client 127.0.0.1:41130")

    def test_poll_names_a_single_descriptor(self):
        self.remember(4096, "ihhihh", 3, 1, 0, -1, 1, 0)
        self.assertEqual(self.say("poll", 4096, 2), "poll on the listener")
        self.assertEqual(self.say("poll", 0, 0), "poll for a signal")

    def test_select_counts_descriptors(self):
        self.remember(4096, "Q", 0b11000)
        self.assertEqual(self.say("select", 5, 4096),
                         "select on 2 descriptors")

    def test_epoll_counts_descriptors(self):
        self.write("7/fdinfo/5", "pos: 0\ntfd: 3\ntfd: 4\n")
        self.assertEqual(self.say("epoll_wait", 5),
                         "epoll_wait on 2 descriptors")

    def test_a_sleep_as_long_as_delay_is_the_simulated_backend(self):
        self.remember(4096, "qq", 0, 100_000_000)
        self.assertEqual(self.say("clock_nanosleep", 0, 0, 4096),
                         "nanosleep 100 ms (simulated backend)")
        self.remember(4096, "qq", 0, 50_000_000)
        self.assertEqual(self.say("clock_nanosleep", 0, 0, 4096),
                         "nanosleep 50 ms")

    def test_without_its_memory_the_call_alone(self):
        self.assertEqual(self.say("clock_nanosleep", 0, 0, 4096), "nanosleep")
        self.assertEqual(self.say("poll", 4096, 2), "poll on 2 descriptors")
        self.assertEqual(self.say("poll", 4096, 1), "poll on 1 descriptor")

    def test_nothing_is_said_of_a_call_that_is_over(self):
        self.remember(4096, "qq", 0, 100_000_000)
        self.in_call("clock_nanosleep", 0, 0, 4096)
        process, words = self.words()
        self.in_call("recv", 4)
        self.assertEqual(words.describe(process.threads[0]), "nanosleep")

    def test_a_hidden_call_is_a_kernel_function(self):
        process, words = self.words()
        self.assertEqual(words.describe(process.threads[0]),
                         "kernel function inet_csk_accept")

    def test_options_of_a_command_line(self):
        self.assertEqual(calls.option(("x", "--delay", "5"), "--delay"), "5")
        self.assertEqual(calls.option(("x", "--delay=5"), "--delay"), "5")
        self.assertEqual(calls.option(("x",), "--delay"), "")


def thread_row(tid, **changes):
    fields = {"pid": 1, "tid": tid, "state": BLOCKED, "since_s": 1.0,
              "at_least": False, "cpu_share": 0.0, "switches_per_s": 0.0,
              "processor": 0, "call": "recv",
              "what": "recv from client 127.0.0.1:41234", **changes}
    return Row(**fields)


def snapshot_of(threads, connections=0, **changes):
    fields = {
        "name": "thread", "pid": 1, "address": "127.0.0.1:9999",
        "rows": [thread_row(i) for i in range(threads)],
        "connections": [Connection(f"127.0.0.1:{40000 + i}", True,
                                   "established", 0, 0)
                        for i in range(connections)],
        "accept_queue": 0, "processes": 1, "cpu_share": 0.0, **changes}
    return Snapshot(**fields)


def waiting_coroutine(number, **changes):
    fields = {"name": f"number {number}", "state": "waiting", "kind": "read",
              "waits_for": f"read from client 127.0.0.1:{number}",
              "due_s": None, "stack_used": 1312, "stack_size": 12288, **changes}
    return coroutines.Coroutine(**fields)


class Windows(unittest.TestCase):
    def texts(self, *arguments, **more):
        return [line.text for line in screen.window(*arguments, **more)]

    def test_every_window_is_filled_and_nothing_sticks_out(self):
        for width, height in ((20, 8), (80, 24), (160, 50), (300, 100)):
            for threads in (0, 1, 7, 100, 3000):
                for offset in (0, 1, 50, 10**6):
                    snapshot = snapshot_of(threads, threads, hidden="Yama")
                    texts = self.texts(snapshot, width, height, offset, "hi")
                    self.assertEqual(len(texts), height)
                    self.assertLessEqual(max(map(len, texts)), width)

    def test_rows_that_do_not_fit_are_folded(self):
        text = "\n".join(self.texts(snapshot_of(100), 80, 24))
        shown = text.count("recv from client")
        self.assertIn(f"{100 - shown} more, all blocked in recv", text)
        self.assertGreater(shown, 10)

    def test_a_fold_says_what_differs(self):
        rows = [thread_row(i) for i in range(98)]
        rows += [thread_row(98, state=RUNNING, what="on processor 0")]
        line, = screen.fold(rows, screen.what_it_does)
        self.assertIn("99 more: 98 blocked in recv, 1 running", line.text)

    def test_scrolling_shows_every_row_once(self):
        snapshot, seen = snapshot_of(100), set()
        for offset in range(100):
            texts = self.texts(snapshot, 80, 24, offset)
            tids = [int(text.split()[0]) for text in texts
                    if "recv from" in text]
            folded = sum(int(match[1]) for match in re.finditer(
                r"(\d+) more", "\n".join(texts)))
            self.assertEqual(len(tids) + folded, 100)
            seen |= set(tids)
        self.assertEqual(seen, set(range(100)))

    def test_coroutines_are_folded_and_scrolled_too(self):
        many = [waiting_coroutine(i) for i in range(100)]
        snapshot, seen = snapshot_of(3, 100, coroutines=many), set()
        for offset in range(100):
            texts = self.texts(snapshot, 80, 24, offset)
            text = "\n".join(texts)
            self.assertEqual(len(texts), 24)
            self.assertEqual(text.count("recv from client"), 3)
            shown = {int(name) for name in re.findall(r"^number (\d+) ", text,
                                                      re.M)}
            folded = sum(map(int, re.findall(
                r"(\d+) more, all waiting for read", text)))
            self.assertEqual(len(shown) + folded, 100)
            seen |= shown
        self.assertEqual(seen, set(range(100)))

    def test_a_coroutine_in_one_line(self):
        line = screen.coroutine_line(waiting_coroutine(
            1, name="client [2001:db8::1234:5678]:41234", due_s=0.95))
        self.assertEqual(line.text, "client [2001:db8::1234:567 waiting    "
                         "950 ms  1,312 B  read from client 127.0.0.1:1")
        self.assertEqual(screen.what_coroutine_does(waiting_coroutine(
            1, state="ready", waits_for="")), "ready")

    def test_what_does_not_wait_in_the_server_comes_first(self):
        snapshot = snapshot_of(1, 50)
        snapshot.connections.append(
            Connection("127.0.0.1:50000", False, "established", 3, 0))
        texts = self.texts(snapshot, 80, 24)
        first = next(i for i, text in enumerate(texts)
                     if "unread B" in text) + 1
        self.assertIn("127.0.0.1:50000  in the accept queue", texts[first])

    def test_a_whole_row_fits_80_columns(self):
        row = thread_row(4194304, since_s=3.2e5, cpu_share=1.0,
                         switches_per_s=99999,
                         what="nanosleep 100 ms (simulated backend)")
        text = self.texts(snapshot_of(0, rows=[row]), 80, 24)[3]
        self.assertTrue(text.endswith("backend)"), text)
        self.assertLessEqual(len(screen.KEYS), 80)

    def test_durations(self):
        self.assertEqual([screen.duration(s) for s in (
            0, 0.0123, 0.9996, 3.44, 99.96, 600, 10800)], [
                "0 ms", "12 ms", "1.0 s", "3.4 s", "2 min", "10 min", "3.0 h"])


# ---- Traces


def server_event(phase, name, ts, **more):
    args = {"connection": more.pop("connection", 1), **more.pop("args", {})}
    return {"ph": phase, "pid": 5, "tid": 6, "name": name, "ts": ts,
            "args": args, **more}


SERVER_TRACE = {"otherData": {"model": "thread"}, "traceEvents": [
    server_event("b", "connection", 10, args={"client_port": 4000}),
    server_event("i", "received", 20),
    server_event("X", "fib(30)", 21, dur=5, args={"cpu": 1}),
    server_event("i", "sent", 27),
    server_event("X", "error", 28, dur=1, args={"cpu": 0}),
    server_event("i", "sent", 30),
    server_event("e", "connection", 40)]}

CLIENT_TRACE = {"traceEvents": [
    {"ph": "X", "cat": "request", "name": "fib(30)", "pid": 9, "tid": 9,
     "ts": ts, "dur": 20, "args": {"port": port}}
    for ts, port in ((15, 4000), (11, 4000), (12, 4001))]}


class Traces(unittest.TestCase):
    def test_the_requests_of_a_connection(self):
        connection, = trace_events.connections(SERVER_TRACE).values()
        self.assertEqual(
            (connection.accepted_us, connection.closed_us), (10, 40))
        self.assertEqual(
            [(one.n, one.received_us, one.begin_us, one.end_us, one.sent_us,
              one.cpu) for one in connection.requests],
            [(30, 20, 21, 26, 27, 1), (0, 20, 28, 29, 30, 0)])

    def test_arrows_join_both_sides(self):
        events = trace_events.merged(
            [SERVER_TRACE, CLIENT_TRACE])["traceEvents"]
        ends = [(event["ph"], event["ts"], event["pid"]) for event in events
                if event.get("cat") == "flow"]
        self.assertEqual(ends, [("s", 11, 9), ("f", 21, 5),
                                ("s", 15, 9), ("f", 28, 5)])
        self.assertEqual(len(events), 7 + 3 + 4)


# ---- The replay


def times_of(request):
    """Returns the times of a request in a record: sent, received, begin, end,
    replied, arrived. An event that never happened is left out."""
    return [at for at in request[2:8] if at is not None]


class Replay(unittest.TestCase):
    def setUp(self):
        self.html = under_test.replay.Replay().html(REFERENCE)
        found = re.search(r'<script type="application/json">(.*?)</script>',
                          self.html, re.S)
        self.data = json.loads(found[1])

    def test_it_needs_nothing_else_and_is_small(self):
        self.assertLess(len(self.html.encode()), 300_000)
        self.assertNotRegex(self.html, r"https?://|import|src=|url\(")

    def test_the_reference_has_every_scene_of_every_model(self):
        names = [scene["name"] for scene in self.data["scenes"]]
        self.assertEqual(names, ["idle", "parallel", "large", "backend"])
        for scene in self.data["scenes"]:
            servers = [one["server"].split()[0] for one in scene["records"]]
            self.assertEqual(servers[:5], list(MODELS))
        self.assertIn("--trap", self.data["scenes"][3]["records"][5]["server"])

    def test_a_request_goes_one_way(self):
        for scene in self.data["scenes"]:
            for record in scene["records"]:
                for one in record["requests"]:
                    # A reply may arrive before its sender has noted that.
                    sent, *at_server = times_of(one)[:5]
                    self.assertEqual(at_server, sorted(at_server))
                    self.assertTrue(all(sent <= at for at in at_server))

    def test_what_the_scenes_are_there_to_show(self):
        def answered(scene, server, until_us):
            record = self.data["scenes"][scene]["records"][server]
            return sum(one[7] is not None and one[7] <= until_us
                       for one in record["requests"])

        blocking, thread, coroutine, trap = 0, 2, 4, 5
        leaves_us = self.data["scenes"][0]["records"][0]["clients"][0][2]
        self.assertEqual(answered(0, blocking, leaves_us), 0)
        self.assertEqual(answered(0, thread, leaves_us), 12)
        end_us = 10**9
        self.assertEqual(answered(3, coroutine, end_us), 100)
        self.assertLess(answered(3, trap, end_us), 10)


# ---- With servers


@contextlib.contextmanager
def connected(port, count=1):
    """Yields that many connections to a server, and closes them when the `with`
    block ends."""
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(
            socket.create_connection(("127.0.0.1", port)))
            for _ in range(count)]


def once(*arguments, **more):
    """Runs `watch --once`, and returns its snapshot, read from JSON."""
    result = run("watch", "--once", "--json", "--bin", BIN, *arguments,
                 timeout=LONG_S, **more)
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


def observed(server, patience_s=PATIENCE_S):
    """Observes a server twice, a moment apart, and returns the second snapshot,
    as `watch` would show it."""
    observer = under_test.snapshot.Observer(server.pid)
    observer.observe()
    time.sleep(CHECK_S)
    return dataclasses.asdict(observer.observe(patience_s))


def where(snapshot):
    return [row["what"] for row in snapshot["rows"]]


@tap.part("once")
class Once(unittest.TestCase):
    def test_each_model_waits_where_it_says(self):
        expected = {"blocking": "accept on the listener",
                    "fork": "poll on the listener",
                    "thread": "accept on the listener",
                    "nonblocking": "processor",
                    "coroutine": "epoll_wait on 3 descriptors"}
        self.assertEqual(set(expected), set(MODELS))
        for model, what in expected.items():
            with self.subTest(model):
                # On a busy machine it may not have come there yet.
                wait_until(lambda: what in where(once(model))[0],
                           f"{model} shows {what}", LONG_S)

    def test_a_thread_per_client(self):
        with started(BIN / "thread", "--port", "0") as (server, port), \
                connected(port, 5):
            wait_until(lambda: where(observed(server)).count(
                "accept on the listener") == 1 and sum(
                    what.startswith("recv from client 127.0.0.1:")
                    for what in where(observed(server))) == 5,
                       "five threads are in recv()")

    def test_an_idle_client_fills_the_accept_queue_of_blocking(self):
        with started(BIN / "blocking", "--port", "0") as (server, port), \
                connected(port, 4) as (*_, last):
            last.sendall(b"1\n")
            wait_until(lambda: observed(server)["accept_queue"] == 3,
                       "three connections are in the queue")
            found = observed(server)
            self.assertEqual(len(found["rows"]), 1)
            unread = {row["client"]: row["unread_bytes"]
                      for row in found["connections"]}
            host, number = last.getsockname()
            self.assertEqual(unread[f"{host}:{number}"], 2)

    def test_a_process_per_client(self):
        with started(BIN / "fork", "--port", "0") as (server, port), \
                connected(port):
            wait_until(lambda: any("recv from client" in what
                                   for what in where(observed(server))),
                       "the child is in recv()")
            self.assertEqual(observed(server)["processes"], 2)

    def test_a_futex_has_the_name_of_its_variable(self):
        def all_but_one_wait():
            found = where(once("pool"))
            return found.count("futex (waiting)") == len(found) - 1

        wait_until(all_but_one_wait, "all threads but one wait", LONG_S)

    def test_what_runs_uses_a_processor(self):
        with started(BIN / "thread", "--port", "0") as (server, port), \
                connected(port) as (client,):
            client.sendall(100 * b"45\n")  # minutes: it is killed
            wait_until(lambda: any(
                row["state"] in ("running", "runnable")
                and row["cpu_share"] for row in observed(server)["rows"]),
                       "a thread computes")

    def test_text_without_a_terminal(self):
        def text():
            result = run("watch", "--bin", BIN, "blocking", timeout=LONG_S)
            self.assertEqual(result.returncode, 0)
            self.assertNotIn("\x1b", result.stdout)
            return result.stdout

        wait_until(lambda: "accept on the listener" in text(),
                   "the server is in accept()", LONG_S)

    def test_hidden_system_calls(self):
        def become_another_user():
            if os.getuid() == 0:  # from which nothing is hidden
                os.setuid(NOBODY)

        python = shutil.which("python3", path="/usr/bin") or sys.executable
        code = ("import ctypes, sys; "
                f"ctypes.CDLL(None).prctl({PR_SET_DUMPABLE}, 0, 0, 0, 0); "
                "print('listening on :1', flush=True); sys.stdin.read()")
        try:
            subprocess.run([python, program("watch"), "--help"],
                           preexec_fn=become_another_user, check=True,
                           capture_output=True)
        except (OSError, subprocess.SubprocessError):
            self.skipTest("another user cannot read this folder")
        with started(python, "-c", code, stdin=subprocess.PIPE,
                     preexec_fn=become_another_user) as (process, _):
            found = once("--pid", process.pid, python=python,
                         preexec_fn=become_another_user)
        self.assertTrue(found["hidden"])
        self.assertEqual(found["rows"][0]["state"], BLOCKED)

    def test_bad_usage_names_the_models(self):
        result = run("watch", "threads")
        self.assertEqual(result.returncode, 2)
        self.assertIn("no model 'threads': choose from blocking", result.stderr)
        for pid, status, message in (
                ("4194305", 1, "process 4194305 has ended"),
                ("0", 2, "--pid: must be a number and at least 1")):
            result = run("watch", "--once", "--pid", pid)
            self.assertEqual(result.returncode, status)
            self.assertIn(message, result.stderr)

    def test_a_server_that_does_not_start(self):
        """Checks that the message says how to see why."""
        result = run("watch", "--once", "--bin", BIN, "blocking",
                     "--no-such-option")
        self.assertEqual(result.returncode, 1)
        self.assertNotIn("log.txt", result.stderr)
        command = [f"{BIN}/blocking", "--port", "0", "--quiet",
                   "--no-such-option"]
        self.assertIn(shlex.join(command), result.stderr)


class Terminal:
    """A `watch` that runs in a pseudo-terminal of a given size."""

    def __init__(self, columns, lines, *arguments, **environment):
        self.output = ""
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.environ.update({"TERM": "xterm", **environment})
            os.environ.pop("LINES", None)
            os.environ.pop("COLUMNS", None)
            fcntl.ioctl(0, termios.TIOCSWINSZ,
                        struct.pack("HHHH", lines, columns, 0, 0))
            os.execv(sys.executable, [
                sys.executable, str(program("watch")), "--bin", str(BIN),
                *arguments])
        self.status = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.status is None:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        os.close(self.fd)

    def read(self):
        """Reads the output that has arrived. Returns False once the program has
        ended."""
        while select.select([self.fd], [], [], 0)[0]:
            try:
                data = os.read(self.fd, 65536)
            except OSError:
                return False
            self.output += data.decode()
        return True

    def press(self, keys):
        os.write(self.fd, keys.encode())

    def screen(self):
        """Returns the lines of the last window that was drawn completely."""
        self.read()
        drawn = re.findall(r"\x1b\[H(.*?)\x1b\[J", self.output, re.S)
        return CODE.sub("", drawn[-1]).split("\r\n") if drawn else []

    def text(self):
        return "\n".join(self.screen())

    def wait_for(self, pattern):
        wait_until(lambda: re.search(pattern, self.text()),
                   f"the window shows {pattern}")

    def quit(self):
        """Presses q, reads all output to its end, and returns the exit
        status."""
        self.press("q")
        wait_until(lambda: not self.read(), "watch ends")
        _, status = os.waitpid(self.pid, 0)
        self.status = os.WEXITSTATUS(status)
        return self.status


@tap.part("once")
class Coroutines(unittest.TestCase):
    def setUp(self):
        self.path = folder_for(self, prefix="a folder ",
                               dir=coroutines.place_of_sockets()) / "socket"

    def test_watch_asks_the_server_that_it_has_started(self):
        found = once("coroutine")
        self.assertEqual(found["coroutines_hidden"], "")
        self.assertEqual(
            {one["name"]: one["waits_for"] for one in found["coroutines"]},
            {"main": "read from the listener", "inspector": ""})

    def test_each_client_has_a_coroutine_with_its_name(self):
        def waiting():
            return {one["name"] for one in observed(server)["coroutines"]
                    if one["waits_for"] == "read from its client"}

        with started(BIN / "coroutine", "--port", "0", "--inspect", self.path,
                     "--idle-timeout", "3600") as (server, port), \
                connected(port, 20) as clients:
            names = {"client %s:%d" % client.getsockname()
                     for client in clients}
            wait_until(lambda: waiting() == names,
                       "20 coroutines wait for their clients")
            for one in observed(server)["coroutines"]:
                self.assertLess(0, one["stack_used"])
                self.assertLessEqual(one["stack_used"], one["stack_size"])
                if one["name"] in names:
                    self.assertLess(3000, one["due_s"])
                    self.assertLessEqual(one["due_s"], 3600)

    def test_every_loop_has_a_socket(self):
        with started(BIN / "multiloop", "--port", "0", "--loops", "3",
                     "--inspect", self.path) as (server, _port):
            names = [one["name"] for one in observed(server)["coroutines"]]
            self.assertEqual(sorted(names), ["inspector"] * 3 + ["main"] * 3)
            status, _, _ = stop(server)
            self.assertEqual(status, 0)
        self.assertEqual(list(self.path.parent.iterdir()), [])

    def test_a_path_relative_to_where_the_server_runs(self):
        with started(BIN / "coroutine", "--port", "0", "--inspect", "x",
                     cwd=self.path.parent) as (server, _port):
            self.assertEqual(len(observed(server)["coroutines"]), 2)

    def test_a_socket_of_a_dead_server_is_replaced(self):
        for _ in range(2):
            with started(BIN / "coroutine", "--port", "0", "--inspect",
                         self.path) as (server, _port):
                self.assertEqual(len(observed(server)["coroutines"]), 2)
            self.assertTrue(self.path.exists())  # It was killed.

    def test_a_socket_that_cannot_be_had_is_an_error(self):
        with started(BIN / "coroutine", "--port", "0", "--inspect", self.path):
            for path, reason in ((self.path, "Address already in use"),
                                 (self.path.parent / ("x" * 108),
                                  "File name too long"),
                                 (self.path / "x", "Not a directory")):
                result = subprocess.run(
                    [BIN / "coroutine", "--port", "0", "--inspect", path],
                    capture_output=True, text=True, check=False,
                    timeout=PATIENCE_S)
                self.assertEqual(
                    (result.returncode, result.stderr),
                    (2, f"coroutine: --inspect cannot open '{path}': "
                        f"{reason}\n"))

    def test_why_there_are_none(self):
        with started(BIN / "coroutine", "--port", "0") as (server, _port):
            found = observed(server)
            self.assertIn("--inspect", found["coroutines_hidden"])
            self.assertEqual(found["coroutines"], [])
        with started(BIN / "thread", "--port", "0") as (server, _port):
            self.assertEqual(observed(server)["coroutines_hidden"], "")

    def test_the_trap_hides_them_and_the_watchdog_names_it(self):
        with started(BIN / "coroutine", "--port", "0", "--delay", "3600000",
                     "--trap", "--watchdog", "20", "--inspect", self.path,
                     stderr=subprocess.PIPE) as (server, port), \
                connected(port) as (client,):
            client.sendall(b"1\n")
            # A busy machine can hold up other coroutines for 20 ms, too.
            reports = (line for line in server.stderr if "client" in line)
            self.assertEqual(
                next(reports),
                "coroutine client %s:%d: let no other run for 20 ms. "
                "Where it is:\n" % client.getsockname())
            where_it_is = server.stderr.readline()
            self.assertIn("does one let no other run?", observed(
                server, patience_s=0.1)["coroutines_hidden"])
        if shutil.which("addr2line"):
            said = subprocess.run(
                ["sh", "-c", where_it_is], capture_output=True, text=True,
                check=True, timeout=LONG_S).stdout
            self.assertRegex(said, r"^sleep_ms at .*/common/clock.c:\d+")
            self.assertIn("\nserve_client at ", said)


@tap.part("terminal")
class InATerminal(unittest.TestCase):
    def test_a_lecture_at_80_by_24(self):
        with Terminal(80, 24, "blocking") as terminal:
            terminal.wait_for("accept on the listener")
            self.assertEqual(len(terminal.screen()), 24)
            terminal.press("i")
            terminal.wait_for("recv from client")
            terminal.press("c")
            terminal.wait_for("accept queue 10;")
            terminal.wait_for(r"11 \(1 idle\), 0 replies, 10 waiting")
            terminal.press("x")
            terminal.wait_for("accept on the listener")
            terminal.press("3c")
            terminal.wait_for(r"thread  pid .* 11 threads")
            terminal.wait_for("recv from client")
            terminal.press("b")
            terminal.wait_for("running|runnable")
            self.assertLessEqual(max(map(len, terminal.screen())), 80)
            self.assertEqual(terminal.quit(), 0)

    def test_every_model_by_its_key_at_160_by_50(self):
        with Terminal(160, 50, "blocking") as terminal:
            for key, model in enumerate(MODELS, 1):
                terminal.press(f"{key}c")
                terminal.wait_for(f"{model}  pid")
                terminal.wait_for(r"our clients: 10 \(0 idle\), [1-9]")
            self.assertEqual(len(terminal.screen()), 50)
            self.assertEqual(terminal.quit(), 0)

    def test_coroutines_are_rows(self):
        with Terminal(80, 24, "coroutine") as terminal:
            terminal.wait_for(r"main +waiting .* B  read from the listener")
            terminal.press("c")
            terminal.wait_for(r"12 coroutines +state")
            terminal.wait_for(r"\d+ more: .*\d+ waiting for read|"
                              r"\d+ more, all waiting for read")
            terminal.press("5")
            terminal.wait_for(r"\n2 coroutines")
            self.assertEqual(terminal.quit(), 0)

    def test_arrows_scroll(self):
        with Terminal(80, 24, "pool") as terminal:
            terminal.wait_for(r"more, all blocked in futex")
            terminal.press("\x1b[B\x1b[B")
            terminal.wait_for(r"2 more: 1 blocked in accept, 1 blocked in fut")
            terminal.press("\x1b[A\x1b[A")
            terminal.wait_for("accept on the listener")
            terminal.press("\x1b[6~" * 100)  # far beyond the last row
            terminal.wait_for("more: .*, 1 blocked in accept")
            terminal.press("\x1b[5~" * 10)
            terminal.wait_for("accept on the listener")
            self.assertEqual(terminal.quit(), 0)

    def test_without_colour(self):
        with Terminal(80, 24, "blocking", NO_COLOR="1") as terminal:
            terminal.wait_for("accept on the listener")
            self.assertEqual(terminal.quit(), 0)
            self.assertNotRegex(terminal.output, r"\x1b\[[0-9;]*m")

    def test_a_dumb_terminal_gets_no_codes(self):
        with Terminal(80, 24, "blocking", TERM="dumb") as terminal:
            def windows():
                terminal.read()
                return terminal.output.count("accept on the listener")

            wait_until(lambda: windows() >= 2, "two windows were printed")
            self.assertEqual(terminal.quit(), 0)
            self.assertNotIn("\x1b", terminal.output)

    def test_a_model_that_does_not_start_keeps_the_server(self):
        with tempfile.TemporaryDirectory() as folder:
            shutil.copy(BIN / "blocking", folder)
            with Terminal(80, 24, "--bin", folder, "blocking") as terminal:
                terminal.wait_for("accept on the listener")
                terminal.press("3")
                terminal.wait_for("cannot start .*/thread")
                self.assertIn("accept on the listener", terminal.text())
                self.assertEqual(terminal.quit(), 0)

    def test_another_pid_keeps_its_server(self):
        with started(BIN / "thread", "--port", "0") as (server, _port):
            with Terminal(80, 24, "--pid", str(server.pid)) as terminal:
                terminal.wait_for("accept on the listener")
                terminal.press("i")
                terminal.wait_for("recv from client")
                terminal.press("1")
                terminal.wait_for("keys 1-5 are for a server")
                self.assertEqual(terminal.quit(), 0)
            self.assertIsNone(server.poll())

    def test_it_says_that_the_server_has_ended(self):
        with started(BIN / "thread", "--port", "0") as (server, _port):
            with Terminal(80, 24, "--pid", str(server.pid)) as terminal:
                terminal.wait_for("accept on the listener")
                server.kill()
                server.wait()
                wait_until(lambda: not terminal.read(), "watch ends")
                self.assertIn("has ended", terminal.output)


@tap.part("terminal")
class OurClients(unittest.TestCase):
    def test_requests_and_replies(self):
        with started(BIN / "thread", "--port", "0") as (_server, port):
            clients, address = under_test.clients.Clients(), f"127.0.0.1:{port}"
            clients.open(address, 3, active=True)
            clients.open(address)
            clients.ask_large(address)

            def replies():
                clients.advance()
                return sum(one.replies for one in clients.all)

            wait_until(lambda: replies() >= 1, "a reply")
            self.assertNotRegex(clients.message(), r"\b1 replies")
            wait_until(lambda: replies() >= 5, "five replies")
            self.assertIn("4 (1 idle)", clients.message())
            clients.close_all()
            self.assertEqual(clients.all, [])


# ---- Traces of servers


def stop(server):
    """Stops a server with SIGTERM. Returns its exit status, its output and its
    error messages."""
    server.terminate()
    said, errors = server.communicate(timeout=PATIENCE_S)
    return server.returncode, said, errors


def replies(port, requests, count):
    """Sends requests on one connection, and returns `count` replies."""
    with connected(port) as (client,):
        client.settimeout(PATIENCE_S)
        client.sendall(requests)
        with client.makefile() as lines:
            return [lines.readline() for _ in range(count)]


def traced(model, path, requests, count, *options, clients=1):
    """Starts a model, lets several clients send `requests` one after the other,
    and returns the trace. Each client waits for `count` replies."""
    with started(BIN / model, "--port", "0", "--trace", path, *options,
                 stderr=subprocess.PIPE) as (server, port):
        for _ in range(clients):
            replies(port, requests, count)
        status, _, errors = stop(server)
    assert status == 0, errors
    return json.loads(path.read_text())


def is_refused(model):
    """Returns True if a model cannot start because the kernel refuses
    io_uring."""
    with subprocess.Popen([BIN / model, "--port", "0"], text=True,
                          stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE) as server:
        ready = bool(server.stdout.readline())
        server.kill()
        return not ready


@tap.part("trace")
class Recording(unittest.TestCase):
    def setUp(self):
        self.path = folder_for(self) / "trace.json"

    def test_every_model_records_every_event_in_order(self):
        for model in filter(lambda model: not is_refused(model), ALL_MODELS):
            with self.subTest(model):
                trace = traced(model, self.path, b"1\nx\n20\n", 3,
                               clients=2)
                self.assertEqual(trace["otherData"]["model"], model)
                found = trace_events.connections(trace)
                self.assertEqual(sorted(found), [1, 2])
                for one in found.values():
                    self.check_order(one)

    def check_order(self, connection):
        self.assertEqual([one.n for one in connection.requests], [1, 0, 20])
        times = [connection.accepted_us]
        for one in connection.requests:
            self.assertGreater(one.received_us, connection.accepted_us)
            self.assertGreaterEqual(one.begin_us, one.received_us)
            times += [one.begin_us, one.end_us, one.sent_us]
        times.append(connection.closed_us)
        self.assertEqual(times, sorted(times))
        self.assertLess(times[-1], float("inf"))

    def test_who_computes(self):
        def threads_of(model):
            found = trace_events.connections(
                traced(model, self.path, b"1\n", 1, clients=3))
            return {one.tid for connection in found.values()
                    for one in connection.requests}

        self.assertEqual(len(threads_of("fork")), 3)
        self.assertEqual(len(threads_of("thread")), 3)
        self.assertEqual(len(threads_of("coroutine")), 1)

    def test_requests_from_due_to_received(self):
        """Merges the traces of server and client, and checks that each arrow
        joins the two records of one request in order of time."""
        for model in MODELS:
            with self.subTest(model):
                clients = 1 if model == "blocking" else 4
                events = self.both_sides(model, clients)
                bars = {(e["pid"], e["tid"], e["ts"]): e for e in events
                        if e["ph"] == "X"}
                ends = [(e["id"], bars[e["pid"], e["tid"], e["ts"]])
                        for e in events if e.get("cat") == "flow"]
                pairs = list(zip(ends[::2], ends[1::2]))
                # Each connection sends a probe request first.
                self.assertEqual(len(pairs), 40 + clients)
                for (one, asked), (other, computed) in pairs:
                    self.assertEqual((one, asked["name"]),
                                     (other, computed["name"]))
                    self.check_times(asked, computed)

    def both_sides(self, model, clients):
        path = self.path.with_name("client.json")
        with started(BIN / model, "--port", "0", "--trace",
                     self.path) as (server, port):
            subprocess.run(
                [BIN / "fibload", "-c", str(clients), "-n", "40", "-R", "1000",
                 "-f", "15", "--grace", "1m", "--timeline", path, str(port)],
                check=True, stdout=subprocess.DEVNULL, timeout=PATIENCE_S)
            stop(server)
        merged = run("merge", self.path, path, timeout=LONG_S)
        return json.loads(merged.stdout)["traceEvents"]

    def check_times(self, asked, computed):
        times = [asked["args"]["due_us"], asked["ts"], computed["ts"],
                 computed["ts"] + computed["dur"], asked["ts"] + asked["dur"]]
        self.assertEqual(times, sorted(times))

    def test_the_backend_takes_as_long_as_delay_says(self):
        for model in MODELS:
            with self.subTest(model):
                trace = traced(model, self.path, b"1\n2\n", 2, "--delay", "20")
                of_backend = [event["ts"] for event in trace["traceEvents"]
                              if event["name"] == "backend"]
                self.assertEqual(len(of_backend), 4)
                for begin, end in zip(of_backend[::2], of_backend[1::2]):
                    self.assertGreaterEqual(end - begin, 20_000)

    def test_a_server_that_cannot_listen_keeps_the_older_trace(self):
        self.path.write_text("an older trace")
        for model in MODELS:
            with self.subTest(model), started(BIN / model, "--port",
                                              "0") as (_, port):
                ended = subprocess.run(
                    [BIN / model, "--port", str(port), "--trace", self.path],
                    capture_output=True, text=True, check=False,
                    timeout=PATIENCE_S)
                self.assertEqual(ended.returncode, 1)
                self.assertIn("cannot listen on", ended.stderr)
                self.assertEqual(self.path.read_text(), "an older trace")

    def test_a_full_disk_loses_the_trace_and_not_the_server(self):
        for model in MODELS:
            with self.subTest(model), started(
                    BIN / model, "--port", "0", "--trace", "/dev/full",
                    stderr=subprocess.PIPE) as (server, port):
                self.assertEqual(replies(port, b"5\n", 1), ["fib: 5\n"])
                status, said, errors = stop(server)
                self.assertEqual(status, 0)
                self.assertIn("stopped after 1 connections, 1 requests", said)
                self.assertIn("the trace was not written: No space", errors)

    def test_a_trace_that_exceeds_ulimit_f_does_not_end_the_server(self):
        for model in MODELS:
            with self.subTest(model), started(
                    "bash", "-c", 'ulimit -f 1; exec "$@"', "bash",
                    BIN / model, "--port", "0", "--trace", self.path,
                    stderr=subprocess.PIPE) as (server, port):
                self.assertEqual(replies(port, b"5\n" * 100, 100),
                                 ["fib: 5\n"] * 100)
                status, said, errors = stop(server)
                self.assertEqual(status, 0)
                self.assertIn("stopped after 1 connections, 100 requests", said)
                self.assertIn("the trace was not written: File too large",
                              errors)

    def flood(self, client, count):
        """Sends `count` requests, and reads as many replies."""
        client.settimeout(PATIENCE_S)
        sent = received = 0
        while received < 7 * count:
            if sent < count and sent * 7 - received < 70_000:
                client.sendall(b"1\n" * 5000)
                sent += 5000
            received += len(client.recv(1 << 20))

    def test_more_events_than_fit_are_counted(self):
        count = 510_000  # two events each, without "received"
        with started(BIN / "nonblocking", "--port", "0", "--trace", self.path,
                     stderr=subprocess.PIPE) as (server, port):
            with connected(port) as (client,):
                self.flood(client, count)
            status, _, errors = stop(server)
        self.assertEqual(status, 0)
        self.assertRegex(errors, r"ends early: \d+ more events did not fit")
        with open(self.path, encoding="utf-8") as file:
            dropped = re.search(r'"dropped_events":(\d+)', file.readline())
            events = sum('"ph":"X"' in line or '"ph":"i"' in line
                         for line in file)
        self.assertGreater(int(dropped[1]), 0)
        self.assertGreaterEqual(events + int(dropped[1]), 2 * count)

    def test_a_file_that_cannot_be_written_is_bad_usage(self):
        result = subprocess.run(
            [BIN / "thread", "--port", "0", "--trace", "/nonexistent/trace"],
            capture_output=True, text=True, check=False, timeout=PATIENCE_S)
        self.assertEqual((result.returncode, result.stderr),
                         (2, "thread: --trace cannot open "
                             "'/nonexistent/trace': "
                             "No such file or directory\n"))

    def test_merge(self):
        first, second = (self.path.with_name(name) for name in ("a", "b"))
        first.write_text(json.dumps(SERVER_TRACE))
        second.write_text(json.dumps(CLIENT_TRACE))
        result = run("merge", first, second)
        self.assertEqual(len(json.loads(result.stdout)["traceEvents"]), 14)
        for wrong in ("no JSON", "[]", "{}", '{"traceEvents": 1}'):
            second.write_text(wrong)
            result = run("merge", first, second)
            self.assertEqual(result.returncode, 1)
            self.assertIn(f"merge: {second} is not", result.stderr)


# ---- Playing and showing a scene


@tap.part("replay")
class Playing(unittest.TestCase):
    def test_a_scene_is_recorded_from_both_sides(self):
        scene = next(one for one in under_test.scenes.scenes(MODELS)
                     if one.name == "parallel")
        scene = dataclasses.replace(scene, end_ms=1000 * PATIENCE_S)
        for model in MODELS:
            path = folder_for(self) / "trace.json"
            with self.subTest(model):
                with started(BIN / model, "--port", "0", "--trace",
                             path) as (server, port):
                    played = under_test.scenes.Play(scene, port)
                    played.run()
                    stop(server)
                record = under_test.scenes.record(
                    model, played, json.loads(path.read_text("utf-8")))
                self.assertEqual(len(record["requests"]), 16)
                for one in record["requests"]:
                    self.assertNotIn(None, one)
                    self.assertEqual(one[1], 32)
                    self.assertGreaterEqual(one[8], 0)

    def test_a_browser_shows_it(self):
        browser = shutil.which("chromium") or shutil.which("google-chrome")
        if browser is None:
            self.skipTest("no chromium")
        with tempfile.TemporaryDirectory() as folder:
            page = pathlib.Path(folder) / "a page.html"
            page.write_text(under_test.document.page(
                "x", [under_test.replay.Replay()], REFERENCE), "utf-8")
            for place, expected in (("idle@0", "0 of 12 answered"),
                                    ("idle@1", "12 of 12 answered"),
                                    ("backend@1", "100 of 100 answered")):
                shown = subprocess.run(
                    [browser, "--headless", "--no-sandbox", "--disable-gpu",
                     f"--user-data-dir={folder}/profile", "--dump-dom",
                     f"{page.as_uri()}#replay={place}"], capture_output=True,
                    text=True, timeout=LONG_S, check=True).stdout
                self.assertEqual(shown.count("<figure>"),
                                 6 if "backend" in place else 5)
                self.assertIn(expected, shown)


if __name__ == "__main__":
    tap.main()
