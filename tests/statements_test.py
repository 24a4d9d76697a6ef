#!/usr/bin/env python3
"""Tests of statements in the texts of the course: about Linux, about our
servers, and about what happens when a reader breaks a server ("Break it" in
TUTORIAL.md). Each test names the chapter and its statement. Parts: see
tap.py."""

import contextlib
import os
import pathlib
import re
import select
import shutil
import signal
import socket
import subprocess
import unittest

import tap
from programs import PATIENCE_S, folder_for, started, wait_until
from tutorial_test import copy_project
from under_test import BIN, REFERENCE, ROOT, kib_of, read_runs, stat_of

# States of a connection in /proc/net/tcp.
ESTABLISHED, SYN_SENT, TIME_WAIT, LISTEN = "01", "02", "06", "0A"
BUILD_S = 600  # more than a program takes to build on the slowest machine
FUTEX = {"x86_64": "202", "aarch64": "98"}.get(os.uname().machine)


def connections():
    """Returns (local port, remote port, state, length of the receive queue) of
    each TCP socket over IPv4. A listener's receive queue is its accept queue.
    If others open and close sockets meanwhile, the kernel may list a socket
    twice, which is returned once, and may leave one out."""
    found = {}
    rows = pathlib.Path("/proc/self/net/tcp").read_text().splitlines()[1:]
    for row in rows:
        local, remote, state, queues, *_ = row.split()[1:]
        # Several listeners may have the same address, but no two connections.
        inode = row.split()[9] if state == LISTEN else None
        found[local, remote, inode] = (
            int(local.split(":")[1], 16), int(remote.split(":")[1], 16), state,
            int(queues.split(":")[1], 16))
    return found.values()


def count(local=None, remote=None, state=None):
    """Returns the number of connections with these ports and this state. None
    stands for any port or state."""
    return sum(1 for found in connections()
               if all(wanted in (None, value) for wanted, value
                      in zip((local, remote, state), found)))


def time_wait_overflows():
    """Returns how often the kernel closed a socket at once because too many
    sockets were in TIME_WAIT (tcp_max_tw_buckets)."""
    names, values = (
        line.split() for line in pathlib.Path("/proc/net/netstat").read_text()
        .splitlines() if line.startswith("TcpExt:"))
    return int(dict(zip(names, values))["TCPTimeWaitOverflow"])


def switches_of(pid):
    """Returns how often a process with one thread has gone to sleep."""
    text = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"^voluntary_ctxt_switches:\s+(\d+)", text, re.M)[1])


def pss_kib(pid):
    return kib_of(pid, "smaps_rollup", "Pss")


def sleeps(pid):
    """Returns True if a process with one thread is asleep."""
    return stat_of(pid)[0] == "S"


class Statement(unittest.TestCase):
    """Base of the tests that start servers and talk to them."""

    def server(self, *command, folder=ROOT):
        """Starts a server. Returns its process; `port` is its port."""
        running = contextlib.ExitStack()
        self.addCleanup(running.close)
        process, process.port = running.enter_context(started(
            *command, cwd=folder, stderr=subprocess.DEVNULL))
        return process

    def client(self, port, sends=b"", blocking=True):
        """Connects a client and sends `sends`. Returns its socket. If not
        `blocking`, connect() may still be in progress."""
        client = socket.socket()
        self.addCleanup(client.close)
        client.settimeout(PATIENCE_S if blocking else 0)
        with contextlib.suppress(BlockingIOError):
            client.connect(("127.0.0.1", port))
        if sends:
            client.sendall(sends)
        return client

    def listener(self):
        listener = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(listener.close)
        return listener

    @staticmethod
    def replies(client, number):
        """Receives until there are `number` replies, or the server closes the
        connection. Returns all that was received."""
        text = b""
        while text.count(b"\n") < number:
            received = client.recv(4096)
            if not received:
                break
            text += received
        return text.decode()

    @staticmethod
    def bytes_arrived(client):
        """Returns the bytes that have already arrived, without waiting."""
        ready, _, _ = select.select([client], [], [], 0)
        return client.recv(4096) if ready else b""


class Drawings(unittest.TestCase):
    def test_the_memory_of_an_idle_client(self):
        """Chapter 3: the drawing shows for each model the memory of an idle
        client in KiB. It must be the sum of the PSS in the reference run and
        of the kernel stack, page tables and socket in the chapter's table."""
        runs = read_runs(REFERENCE / "runs.csv")
        drawing = (ROOT / "course/drawings/memory.svg").read_text("utf-8")
        sums = [int(sum_) for sum_ in re.findall(r"about (\d+) KiB<", drawing)]
        self.assertEqual(len(sums), 3)
        for drawn, (model, idle, *kernel) in zip(sums, (
                ("fork", 1000, 16, 40, 5), ("thread", 10000, 16, 0.2, 5),
                ("coroutine", 10000, 0, 0, 5))):
            pss = runs.where(experiment="idle", model=model,
                             idle=idle).median("kib_per_silent")
            self.assertAlmostEqual(drawn, pss + sum(kernel), delta=1)


@tap.part("kernel")
class Kernel(Statement):
    def test_the_accept_queue_holds_one_more_than_the_backlog(self):
        """Chapter 1: with a backlog of 4, the server's kernel completes six of
        twelve connections: one that is served, five that are queued. The other
        ones came when the accept queue was full, and stay in SYN-SENT. The
        connections come one after the other: the kernel does not lock the queue
        between looking for a free place and taking it, and two that come at
        once may take the same."""
        port = self.server(BIN / "blocking", "--backlog", "4", "--port",
                           "0").port
        self.replies(self.client(port, b"1\n"), 1)
        for _ in range(5):
            self.client(port)
        wait_until(lambda: self.queue_lengths(port) == [5],
                   "one is served, and five are queued")
        others = [self.client(port, blocking=False) for _ in range(6)]
        wait_until(lambda: all(map(self.retransmits, others)),
                   "the others send their SYN again")
        wait_until(lambda: self.queue_lengths(port) == [5] and
                   count(local=port, state=ESTABLISHED) == 6 and
                   count(remote=port, state=SYN_SENT) == 6,
                   "six are complete, and six are in SYN-SENT")

    @staticmethod
    def retransmits(client):
        """Returns how often the kernel has sent the client's last packet again
        (tcpi_retransmits of struct tcp_info)."""
        return client.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 3)[2]

    @staticmethod
    def queue_lengths(port):
        """Returns the length of the accept queue of each listener at a port."""
        return [length for local, _, state, length in connections()
                if (local, state) == (port, LISTEN)]

    def close_one_after_the_other(self, client_is_first):
        """Closes both sides of a new connection. Returns the local and the
        remote port of the side that was closed first and is now in TIME_WAIT.
        Returns None if the kernel had no free entry for it: other tests close
        many connections."""
        listener = self.listener()
        port = listener.getsockname()[1]
        client = self.client(port)
        server, _ = listener.accept()
        ports = (client.getsockname()[1], port)
        sides = [client, server]
        if not client_is_first:
            ports, sides = ports[::-1], sides[::-1]
        before = time_wait_overflows()
        for side in sides:
            side.close()
        wait_until(lambda: time_wait_overflows() > before
                   or count(*ports, TIME_WAIT) == 1,
                   "the first one is in TIME_WAIT")
        return ports if count(*ports, TIME_WAIT) == 1 else None

    def test_the_side_that_closes_first_keeps_its_port(self):
        """Chapter 12: the side that closes first stays in TIME_WAIT. The other
        side's socket is gone."""
        for client_is_first in (True, False):
            found = []  # the ports of each attempt, or None
            # A socket is in TIME_WAIT for a minute.
            wait_until(lambda: found.append(
                self.close_one_after_the_other(client_is_first)) or found[-1],
                       "the kernel has an entry for it", timeout_s=180)
            self.assertEqual(count(*reversed(found[-1]), TIME_WAIT), 0)

    def test_ports_count_for_each_destination(self):
        """Chapter 12: two clients with the same local port can be connected to
        different servers."""
        clients, address = [], ("127.0.0.1", 0)
        for _ in range(2):
            clients.append(client := socket.socket())
            self.addCleanup(client.close)
            client.settimeout(PATIENCE_S)
            client.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            client.bind(address)
            address = client.getsockname()
        for client in clients:
            client.connect(self.listener().getsockname())
        self.assertEqual(*(client.getsockname() for client in clients))

    def test_an_async_function_without_await(self):
        """Chapter 9: the body of an async function that is called without await
        does not run in Python, but does in JavaScript."""
        ran = []

        async def body():
            ran.append(True)

        body().close()
        self.assertEqual(ran, [])
        if shutil.which("node"):
            said = subprocess.run(
                ["node", "-e",
                 "async function f() { console.log('ran') }; f()"],
                capture_output=True, text=True, check=True).stdout
            self.assertEqual(said, "ran\n")


@tap.part("servers")
class Servers(Statement):
    def check_places(self, port, count, places):
        """Checks that a server serves `places` of `count` clients, and one more
        when one of them leaves."""
        clients = [self.client(port, b"1\n") for _ in range(count)]
        served = set()

        def serve():
            served.update(c for c in clients if self.bytes_arrived(c))
            return len(served)

        wait_until(lambda: serve() >= places, f"{places} have a reply")
        self.assertEqual(len(served), places)
        clients.remove(gone := served.pop())
        gone.close()
        wait_until(lambda: serve() >= places, "the place of one is taken")
        self.assertEqual(len(served), places)

    def test_forty_descriptors_serve_36_clients(self):
        """Chapter 12: 40 descriptors are the three standard streams, the
        listener, and 36 clients. A further client is served when one leaves."""
        server = self.server("bash", "-c", "ulimit -n 40; exec bin/thread "
                             "--max-clients 1000 --port 0")
        self.check_places(server.port, 50, 36)
        self.assertEqual(len(os.listdir(f"/proc/{server.pid}/fd")), 40)

    def test_a_pool_of_64_threads_has_64_clients(self):
        """Chapter 10: a pool serves as many clients as it has threads. A
        further client is served when one leaves."""
        server = self.server(BIN / "pool", "--port", "0")
        self.check_places(server.port, 80, 64)

    def test_pss_leaves_out_the_page_tables_of_a_child(self):
        """Chapters 2 and 3: the page tables of a child are not part of its PSS,
        and take about as much memory: at least half, less than four times."""
        server = self.server(BIN / "fork", "--port", "0")
        for client in [self.client(server.port, b"1\n") for _ in range(20)]:
            self.replies(client, 1)
        children = pathlib.Path(
            f"/proc/{server.pid}/task/{server.pid}/children"
        ).read_text().split()
        self.assertEqual(len(children), 20)
        tables = kib_of(children[0], "status", "VmPTE")
        pss = pss_kib(children[0])
        self.assertGreater(2 * tables, pss)
        self.assertLess(tables, 4 * pss)

    def test_a_stack_of_8_mb_is_a_range_of_addresses(self):
        """Chapter 3: a stack of 8 MiB takes 8 MiB of addresses for each client,
        but no more memory than a stack of 64 KiB."""
        def kib_with_stacks_of(kib):
            server = self.server(BIN / "thread", "--port", "0", "--stack-kib",
                                 str(kib))
            for client in [self.client(server.port, b"1\n") for _ in range(50)]:
                self.replies(client, 1)
            return (kib_of(server.pid, "status", "VmSize"),
                    pss_kib(server.pid))

        (size, pss), (large_size, large_pss) = map(kib_with_stacks_of,
                                                   (64, 8192))
        self.assertGreater(large_size - size, 50 * 8000)
        self.assertLess(large_pss, 2 * pss)

    def test_the_first_server_makes_the_mistakes(self):
        """Chapter 1: the first server builds without a warning and serves
        clients, but treats all that one recv() returns as one request."""
        program = folder_for(self) / "first"
        subprocess.run(
            [os.environ.get("CC", "cc"), "-std=c11", "-D_GNU_SOURCE",
             "-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Werror",
             "-o", program, "course/first.c", "fib/fib.c"], cwd=ROOT,
            check=True, timeout=BUILD_S)
        port = self.server(program, "0").port
        client = self.client(port, b"10\n20\n")
        client.shutdown(socket.SHUT_WR)
        self.assertEqual(self.replies(client, 2), "fib: 55\n")


@tap.part("break-it")
class BreakIt(Statement):
    def broken(self, program, path, *edits):
        """Builds a program in a copy of the project, after these edits of the
        file `path`: pairs of old and new text. Returns the copy's folder."""
        folder = folder_for(self)
        copy_project(folder, built=True)
        text = (folder / path).read_text("utf-8")
        for old, new in edits:
            self.assertEqual(text.count(old), 1, f"{path}: {old}")
            text = text.replace(old, new)
        (folder / path).unlink()
        (folder / path).write_text(text, "utf-8")
        built = subprocess.run(["make", "-s", program], cwd=folder,
                               timeout=BUILD_S, capture_output=True, text=True)
        self.assertEqual(built.returncode, 0, built.stderr)
        return folder

    ONE_CALL = ("CALLS_IN_A_ROW = 8", "CALLS_IN_A_ROW = 1")
    NO_TIMER = ("    timer_queue_add(&timers, c, "
                "c->due_ns > now_ns ? c->due_ns : now_ns);\n", "")

    def test_an_edge_and_one_call_for_it(self):
        """Chapter 7: with --edge and one call for each edge, requests are left
        in the buffers. The timer returns to them, so that all are answered."""
        folder = self.broken("bin/callback", "servers/more/callback.c",
                             self.ONE_CALL)
        port = self.server("bin/callback", "--edge", "--port", "0",
                           folder=folder).port
        self.assertEqual(self.replies(self.client(port, b"1\n" * 20), 20),
                         "fib: 1\n" * 20)

    def test_an_edge_and_one_call_without_the_timer(self):
        """Chapter 7: without the timer, the last replies come only after the
        next edge: when the client sends again."""
        folder = self.broken("bin/callback", "servers/more/callback.c",
                             self.ONE_CALL, self.NO_TIMER)
        server = self.server("bin/callback", "--edge", "--port", "0",
                             folder=folder)
        client = self.client(server.port, b"1\n2\n3\n")
        early = self.replies(client, 1)
        wait_until(lambda: sleeps(server.pid), "it sleeps")
        early += self.bytes_arrived(client).decode()
        self.assertLess(early.count("\n"), 3)
        client.sendall(b"4\n")
        self.assertIn("\n", self.replies(client, 1))

    def test_a_handler_that_wakes_no_call(self):
        """Chapter 13: if the signal handler wakes no blocked calls, the server
        stops only when the next client connects."""
        folder = self.broken(
            "bin/blocking", "servers/common/server.c",
            ("    shutdown(listener, SHUT_RDWR);\n"
             "    net_shutdown_clients(listener);\n", ""))
        server = self.server("bin/blocking", "--port", "0", folder=folder)
        wait_until(lambda: sleeps(server.pid), "it is in accept()")
        switches = switches_of(server.pid)
        server.send_signal(signal.SIGTERM)
        wait_until(lambda: switches_of(server.pid) > switches
                   and sleeps(server.pid),
                   "the handler has run, and accept() blocks again")
        self.assertIsNone(server.poll())
        self.client(server.port)
        self.assertEqual(server.wait(PATIENCE_S), 0)

    def test_a_loop_that_sleeps_a_millisecond(self):
        """Chapter 6: a loop that sleeps in each round sleeps about once for
        each request, as the process's voluntary context switches show."""
        folder = self.broken(
            "bin/nonblocking", "servers/nonblocking.c",
            ("        accept_clients();\n        step_clients();\n",
             "        accept_clients();\n        step_clients();\n"
             "        usleep(1000);\n"))
        server = self.server("bin/nonblocking", "--port", "0", folder=folder)
        client = self.client(server.port)
        switches = switches_of(server.pid)
        for _ in range(50):
            client.sendall(b"1\n")
            self.replies(client, 1)
        self.assertGreaterEqual(switches_of(server.pid) - switches, 45)

    def test_a_coroutine_that_does_not_reschedule(self):
        """Chapter 9: without co_reschedule(), each coroutine prints all its
        numbers before the next one runs."""
        folder = self.broken("examples", "servers/coro/examples/round_robin.c",
                             ("        co_reschedule();\n", ""))
        said = subprocess.run(["bin/examples/round_robin"], cwd=folder,
                              capture_output=True, text=True, check=True,
                              timeout=PATIENCE_S).stdout
        self.assertIn("co_run():     a3 a2 a1 b2 b1 c3 c2 c1", said)

    @unittest.skipIf(FUTEX is None, "the number of futex() is not known here")
    def test_a_thread_that_takes_its_lock_twice(self):
        """Chapter 3: a thread that takes its lock twice blocks in futex(). It
        wakes at each timeout and blocks again. Its client gets no reply."""
        folder = self.broken(
            "bin/gil", "servers/more/gil.c",
            ("    take_lock();\n    bool answered",
             "    take_lock();\n    take_lock();\n    bool answered"))
        server = self.server("bin/gil", "--port", "0", folder=folder)
        client = self.client(server.port, b"1\n")
        tasks = pathlib.Path(f"/proc/{server.pid}/task")

        def thread():
            return next((task for task in tasks.iterdir()
                         if task.name != str(server.pid)), None)

        def waits():
            text = (thread() / "status").read_text()
            return int(re.search(r"\nvoluntary\D+(\d+)", text)[1])

        wait_until(thread, "the client has a thread")
        wait_until(lambda: waits() >= 10, "it has waited ten times")
        wait_until(lambda: (thread() / "syscall").read_text().split()[0]
                   == FUTEX, "it is blocked in futex()")
        self.assertEqual(self.bytes_arrived(client), b"")


if __name__ == "__main__":
    tap.main()
