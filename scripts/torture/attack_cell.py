"""One cell of the attack matrix: a server, an attack, and a victim, which is a
well-behaved client that sends requests during the attack.

For use while signals are blocked, see lib/processes.py.
"""

import contextlib
import dataclasses
import pathlib
import select
import signal
import socket
import threading
import time

from lib import tcp
from lib.processes import StartFailed, interruptible, serving, wait
from lib.text import counted
from lib.usage import (Usage, checks, idle_cores, is_exiting, session_of,
                       usage_of, usage_once_released, usage_once_started)
from torture.attacks import PATIENCE_S, Attack, connect, last_words
from torture.matrix import (AFTER, ALWAYS_BUSY, ANY, BESIDE, CUT, NEVER,
                            STARTED_LATER, expected_of)

ATTACK_S = 0.5
ATTACK_MAX_S = 5  # if the victim should be served during it, and is not
AFTER_S = 10  # for a reply after the attack
BREAK_S = 0.005  # between two requests of the victim, at least
BREAKS = 10  # multiples of the last request's time, so that the server idles
CHECK_S = 0.05  # between two measurements of what the server uses
WATCH_S = 0.2
IDLE_CORES_MAX = 0.25  # more than an idle server uses
KEPT_KIB = 8 * 1024  # memory that a server may keep for the next clients
# A language runtime starts threads when it first needs them, and allocates
# memory until it collects its garbage. A leak grows with every attack.
RUNTIME_THREADS = 20
RUNTIME_TRIES = 4
PER_CLIENT_MAX = {"descriptors": 4}  # for a client that has a process
REQUEST, REPLY = b"10\n", b"fib: 55\n"
LONG_REQUEST, LONG_REPLY = b"30\n", b"fib: 832040\n"


SHOWN = {AFTER: "waits"}  # outcomes that have another name in the table
# The fields of a Usage that tables show.
USAGE = ("descriptors", "threads", "processes", "memory_kib")


@dataclasses.dataclass(frozen=True)
class Subject:
    """A server that is attacked: how it is started, and what is expected."""

    name: str
    program: pathlib.Path
    model: str  # whose behaviour is expected of it
    is_ours: bool  # it has the options of our servers
    tools: pathlib.Path  # the folder of fibload
    log: object = None  # the file for what it prints

    def serving(self, *options, port=0, limits=()):
        """Starts a new server, for a `with` statement. `options` are those that
        only our servers have, `limits` a command that executes another."""
        command = [*limits, self.program, "--port", port, "--quiet",
                   *(options if self.is_ours else ())]
        return serving(command, self.name, log=self.log)


@dataclasses.dataclass
class Cell:
    """What was observed of one server during one attack. Each problem is a
    pair: a word for the table and an explanation."""

    subject: Subject
    attack: object = None  # None: several at the same time
    victim: str = ""  # outcome of its requests; "": not tried
    wait_s: float = 0  # the victim's longest wait
    before: Usage = dataclasses.field(default_factory=Usage)
    during: Usage = dataclasses.field(default_factory=Usage)
    after: Usage = dataclasses.field(default_factory=Usage)
    unnoticed: int = 0  # see unnoticed_ends()
    cores_during: float = 0
    cores_after: float = 0
    status: object = None
    not_tried: str = ""
    problems: list = dataclasses.field(default_factory=list)

    def complain(self, is_wrong, word, about):
        """Records a problem if `is_wrong` is true."""
        if is_wrong:
            self.problems.append((word, about))

    @property
    def expected(self):
        """The outcomes that the victim's requests may have."""
        return expected_of(self.subject.model, self.attack)

    @property
    def may_be_busy(self):
        return self.subject.model in ALWAYS_BUSY

    @property
    def grown_kib(self):
        """By how many KiB the server's memory grew during the attack."""
        return self.during.memory_kib - self.before.memory_kib

    @property
    def kept_kib(self):
        """By how many KiB its memory was larger afterwards than before."""
        return self.after.memory_kib - self.before.memory_kib


# ---- The victim


class Victim:
    """A well-behaved client, which connects again for each request. While it
    waits, it records the peak of what the server uses, and its average CPU use
    since this object was made."""

    def __init__(self, server, attack):
        self.port, self.pid, self.attack = server.port, server.pid, attack
        self.begin = self.last = time.monotonic()
        self.first = self.peak = usage_of(server.pid)
        self.cores = 0

    def check(self):
        """Updates the figures, but at most once per CHECK_S."""
        now = time.monotonic()
        if now - self.last < CHECK_S:
            return
        self.last = now
        usage = usage_of(self.pid)
        self.cores = (usage.cpu_s - self.first.cpu_s) / (now - self.begin)
        self.peak = self.peak.maximum(usage)

    def has_reply(self, client):
        """Returns True if the correct reply arrives within BREAK_S."""
        self.check()
        with interruptible():
            ready, _, _ = select.select([client], [], [], BREAK_S)
        return bool(ready) and client.recv(100) == REPLY

    def wait_for_reply(self, client):
        """Waits for the reply to a request that has been sent. Returns BESIDE
        if it arrives during the attack, AFTER if later, or NEVER."""
        begin = left = time.monotonic()
        while not self.has_reply(client):
            now = time.monotonic()
            if not self.attack.leaving.is_set():
                left = now
            if now > begin + PATIENCE_S or now > left + AFTER_S:
                return NEVER
        return AFTER if self.attack.leaving.is_set() else BESIDE

    def ask(self):
        """Sends a request. Returns its outcome, and the seconds it took."""
        begin = time.monotonic()
        verdict = NEVER
        with contextlib.suppress(OSError), connect(self.port) as client:
            client.sendall(REQUEST)
            verdict = self.wait_for_reply(client)
        self.check()
        return verdict, time.monotonic() - begin


# ---- The server


def first_request(port):
    """Sends a first request and returns True if the reply is correct. It
    triggers lazy initialisation, which would look like a leak later."""
    with connect(port) as client:
        client.sendall(REQUEST)
        return client.recv(100) == REPLY


def stop(cell, server):
    """Stops the server with SIGTERM, and records its exit status."""
    server.process.send_signal(signal.SIGTERM)
    cell.status = wait(server.process, PATIENCE_S)
    cell.complain(cell.status != 0, "exit",
                  f"SIGTERM: it ended with {cell.status}")


# ---- Attacks that the server must survive


def attack_on(cell, server, **more):
    """Starts the attack of a cell, and waits until the server can notice it, or
    the attack fails."""
    attack = Attack(cell.attack.client, server.port, cell.subject.tools, **more)
    with interruptible():
        attack.begun.wait()
    return attack


def serve_victims(cell, attack, victim):
    """Lets the victim send requests until the attack is over, or until a
    request gets no reply during the attack. The victim sends at least one
    request, even if on a busy machine the attack is over before."""
    end = time.monotonic() + ATTACK_S
    timer = threading.Timer(
        ATTACK_S if AFTER in cell.expected else ATTACK_MAX_S, attack.over.set)
    timer.start()
    cell.victim = BESIDE
    while cell.victim == BESIDE:
        verdict, wait_s = victim.ask()
        # If several requests end after the attack, only the first counts.
        if verdict != AFTER or cell.wait_s == 0:
            cell.victim, cell.wait_s = verdict, max(cell.wait_s, wait_s)
        if time.monotonic() > end:
            attack.over.set()
        if attack.leaving.wait(max(BREAK_S, BREAKS * wait_s)):
            break
    timer.cancel()


def attack_and_ask(cell, server):
    """Runs an attack and the victim, and records what both have shown."""
    is_idle = cell.attack.leaves_idle and not cell.may_be_busy
    with attack_on(cell, server,
                   is_paced=cell.subject.model == ANY) as attack:
        victim = Victim(server, attack)
        idle_use = idle_cores(server.pid, WATCH_S) if is_idle else None
        serve_victims(cell, attack, victim)
    cell.during = victim.peak
    cell.cores_during = victim.cores if idle_use is None else idle_use
    cell.not_tried = attack.not_tried
    if cell.not_tried:
        cell.victim = ""
    else:
        judge_victim(cell)
    cell.complain(attack.complaints, "lost", "; ".join(attack.complaints[:3]))


def judge_victim(cell):
    """Compares the outcome of the victim's requests with the expected one."""
    cell.complain(cell.victim not in cell.expected,
                  SHOWN.get(cell.victim, cell.victim),
                  f"the victim: {cell.victim}, not "
                  f"{' or '.join(cell.expected)}")


def as_ipv4(address):
    """Returns an address as IPv4, without the "[::ffff:" of IPv6 sockets."""
    return address.replace("[::ffff:", "").replace("]", "")


def unnoticed_ends(port):
    """Returns how many connections to a port have only a server's end: the
    client has vanished without a FIN, and the server cannot notice. Or the
    kernel made the connection from an ACK that arrived twice. It can do so
    while it sends SYN cookies, because an accept queue is full. A server that
    listens for IPv6, too, has its end in another table than the client: the
    IPv4 addresses are compared."""
    ends = [(as_ipv4(one.local), as_ipv4(one.remote), one.state)
            for one in tcp.sockets()]
    known = {(local, remote) for local, remote, _ in ends}
    return sum((remote, local) not in known for local, remote, state in ends
               if state == tcp.ESTABLISHED and local.endswith(f":{port}"))


def judge(cell):
    """Compares what the server used during the attack, and afterwards, with
    what is allowed."""
    attack = cell.attack
    cell.complain(attack.leaves_idle and not cell.may_be_busy
                  and cell.cores_during > IDLE_CORES_MAX, "spins",
                  f"it takes {cell.cores_during:.2f} cores for nothing")
    cell.complain(cell.grown_kib > attack.memory_kib, "grows",
                  f"its memory grows by {cell.grown_kib:,} KiB")
    judge_afterwards(cell, IDLE_CORES_MAX)


def judge_afterwards(cell, cores_max):
    """Compares what the server uses after all clients have left with what it
    used before. `cores_max` is what an idle server may use."""
    excess = cell.after.excess_over(cell.before)
    kept = {name: more for name, more in excess.items()
            if more > cell.unnoticed * PER_CLIENT_MAX.get(name, 1)}
    cell.complain(kept, "leaks", "afterwards it keeps "
                  + ", ".join(f"{more} {name}" for name, more in kept.items()))
    cell.complain(cell.kept_kib > KEPT_KIB, "leaks",
                  f"afterwards it keeps {cell.after.memory_kib:,} "
                  f"instead of {cell.before.memory_kib:,} KiB")
    cell.complain(not cell.may_be_busy and cell.cores_after > cores_max,
                  "spins", f"afterwards it takes {cell.cores_after:.2f} cores")


def is_dead(cell, server):
    """Returns True if the server has ended: that is then its only problem."""
    if is_exiting(server.pid):
        wait(server.process, PATIENCE_S)
    if server.process.poll() is None:
        return False
    cell.status = server.process.returncode
    cell.problems = [("dead", f"it ended by itself ({cell.status})")]
    return True


def try_surviving(cell, server):
    """Runs an attack that the server must survive, and judges it. A server of
    an unknown runtime has several tries: the runtime may keep memory."""
    is_any = cell.subject.model == ANY
    cell.before = usage_once_started(server.pid)
    cell.before.threads += (RUNTIME_THREADS if is_any else
                            STARTED_LATER.get(cell.subject.model, 0))
    for attempt in range(RUNTIME_TRIES if is_any else 1):
        if attempt > 0:
            cell.before.memory_kib = cell.after.memory_kib
        attack_and_ask(cell, server)
        if is_dead(cell, server):
            return
        cell.after = usage_once_released(server.pid, cell.before,
                                         unnoticed_ends(server.port))
        cell.unnoticed = unnoticed_ends(server.port)
        if (cell.grown_kib <= cell.attack.memory_kib
                and cell.kept_kib <= KEPT_KIB):
            break
    if not cell.may_be_busy:
        cell.cores_after = idle_cores(server.pid, WATCH_S)
    if is_dead(cell, server):
        return
    judge(cell)
    stop(cell, server)


# ---- Attacks that end the server


def can_serve_again(subject, port):
    """Returns True if a new server can use this port, and replies. Tries for up
    to SETTLE_S: the kernel closes the listener of a killed io_uring server a
    moment after the process has ended."""
    for _ in checks():
        with contextlib.suppress(OSError, StartFailed), \
                subject.serving(port=port) as second:
            return first_request(second.port)
    return False


def survivors(server):
    """Returns how many processes of an ended server remain after SETTLE_S."""
    for _ in checks():
        left = sum(fields[0] != "Z" for _, fields in session_of(server.pid))
        if not left:
            break
    return left


def end_under_load(cell, server):
    """Ends the server with a signal, right after a request of the victim and
    during an attack. Returns the bytes that the victim receives from then on.
    Also returns how many of the server's processes are still running, although
    no client has closed its connection."""
    with connect(server.port) as victim:
        victim.sendall(REQUEST)
        victim.recv(100)
        with attack_on(cell, server) as attack:
            cell.before = cell.during = usage_of(server.pid)
            victim.sendall(LONG_REQUEST)
            begin = time.monotonic()
            server.process.send_signal(getattr(signal, cell.attack.ending))
            if cell.attack.ending == "SIGKILL":
                attack.quiet.set()  # A process that lives on has no load then.
            said = last_words(victim)
            cell.wait_s = time.monotonic() - begin
            cell.status = wait(server.process, PATIENCE_S)
            attack.quiet.set()
            return said, survivors(server)


def try_ending(cell, server):
    """Ends the server during an attack, and judges how it ends."""
    said, left = end_under_load(cell, server)
    killed = cell.attack.ending == "SIGKILL"
    # A killed server may still have replied before the signal.
    cell.victim = BESIDE if said == LONG_REPLY and not killed else CUT
    judge_victim(cell)
    cell.complain(cell.status != (-signal.SIGKILL if killed else 0), "exit",
                  f"it ended with {cell.status}")
    cell.complain(left, "left", "it has left " + counted(left, "process"))
    cell.complain(not can_serve_again(cell.subject, server.port), "port",
                  "the port is taken")


# ---- All of it


def tried(subject, attack):
    """Starts a server, runs one attack on it, and returns the Cell."""
    cell = Cell(subject, attack)
    options = ("--backlog", attack.backlog) if attack.backlog else ()
    limits = ("sh", "-c", f'ulimit -n {attack.descriptors}; exec "$@"',
              "sh") if attack.descriptors else ()
    try:
        with subject.serving(*options, limits=limits) as server:
            if not first_request(server.port):
                cell.complain(True, "wrong", "fib(10) is not 55")
            elif attack.ending:
                try_ending(cell, server)
            else:
                try_surviving(cell, server)
    except (StartFailed, socket.timeout, ConnectionError) as problem:
        cell.complain(True, "fails", str(problem))
    return cell
