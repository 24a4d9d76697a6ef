"""Lists the experiments of the bench, as data.

Each experiment asks one question, and runs each of its cells with each of its
models. Its claims are relations that follow from how the models work, and
should hold on every machine. To add an experiment, add an entry here, its
finding in findings.py, and its picture in pictures.
"""

from bench import findings, request_log
from bench.claims import AT_LEAST, AT_MOST, Claim, each
from bench.design import APART, FREE, TOGETHER, Cell, Experiment, grid
from lib.models import ELSEWHERE

# Texts of several claims: what they say, and likely causes if they fail.
KEEPS_BESIDE_FOUR = "keeps {bound} of its small requests beside four long ones"
NO_SECOND_CORE = "there is only one core, or others were using the second"
CORE_TAKEN = ("the server's core was taken by other programs, or the kernel's "
              "scheduler prefers threads that compute for long")
SLOW_TO_WAKE = ("the long thread was slow to wake, so that short requests had "
                "the lock in between")
CACHES_FULL = ("the kernel's memory for 10,000 connections left too little "
               "room in the caches")

EXPERIMENTS = (
    Experiment(
        name="latency",
        question="One long request at a time from each client: "
                 "which models use the cores?",
        axis="connections",
        cells=grid(Cell(1, n=30), "connections", quick=(4,), full=(1, 2, 8)),
        load=4,
        seconds=0.2,
        placement=FREE,
        finding=findings.latency,
        cost="cores",
        breaks=findings.one_core,
        columns=("rate", "served", "cores", "cpu_ms", "p50"),
        claims=(
            *each("fork thread", "keeps {bound} cores busy", "cores", AT_LEAST,
                  findings.SECOND_CORE_MIN, otherwise=NO_SECOND_CORE),
            *each("nonblocking coroutine", "keeps {bound} cores busy", "cores",
                  AT_MOST, findings.ONE_CORE_MAX,
                  otherwise="the server has more threads than one: its "
                            "options, or a change in its source"),
        ),
        explanation=(
            "fib(30) is all computation. Processes and threads are spread over "
            "the cores by the kernel; a server with one thread computes one "
            "request after the other, however cleverly it waits, and its "
            "clients queue. Waiting well is not computing in parallel.\n\n"
            "Compare models at the same load, not one load with another: a "
            "single client lets the cores fall asleep between its requests, "
            "and a core that was just woken is slow at first. More clients "
            "keep it awake, so that two may get more than twice the replies "
            "of one, even from a server that never leaves its core."
        ),
    ),
    Experiment(
        name="throughput",
        elsewhere=True,
        question="Many tiny requests: what does a request cost?",
        axis="connections",
        cells=(Cell(100),
               Cell(1000, size="full", without=("blocking",),
                    asked_by=ELSEWHERE),
               *grid(Cell(1, without=("blocking",)), "connections",
                     quick=(10,), full=(1, 10000))),
        load=100,
        seconds=0.2,
        placement=APART,
        finding=findings.throughput,
        cost="cpu_us",
        columns=("rate", "served", "cpu_us", "first_cpu_us", "p50", "p99",
                 "switches", "processes", "threads", "pss", "client"),
        claims=(
            Claim("coroutine", "spends {bound} of thread's CPU time per "
                  "request", "server_cpu_us_per_req", AT_MOST, 0.75,
                  than_model="thread",
                  otherwise="few clients were ready at once, so that the one "
                            "thread of coroutine slept as often as the others: "
                            "a slow client, or a busy core"),
            Claim("thread", "spends no more CPU time per request than fork",
                  "server_cpu_us_per_req", AT_MOST, 1, than_model="fork",
                  otherwise="going from process to process costs hardly more "
                            "than from thread to thread on this processor, and "
                            "the difference drowns in noise"),
            Claim("fork", "shows {bound} of its CPU time in the first of its "
                  "processes", "first_process_share", AT_MOST, 0.5,
                  otherwise="there were too few requests to outweigh the "
                            "starting of processes"),
        ),
        explanation=(
            "fib(1) is no work at all: what remains is receiving, sending and "
            "deciding who is next. A process or thread is put to sleep and "
            "woken for every request; one thread that finds many clients ready "
            "at once is not. With one connection (full bench) every server "
            "waits for the network, and the figure shows how long a sleeping "
            "core takes to wake. Where the client is busy for 90 % of the time "
            "or more, it is the limit: the server could do at least that much "
            "(≥).\n\n"
            "Measured in the parent process only, without its children, fork "
            "would seem the cheapest of all: the parent only accepts."
        ),
    ),
    Experiment(
        name="hog",
        question="Eight clients ask for little, four for fib(40) for a while: "
                 "what do the eight feel?",
        axis="hogs",
        cells=grid(Cell(8), "hogs", quick=(4,), full=(0, 1)),
        load=4,
        seconds=0.75,
        # The server has only one core. A second one would help against one hog
        # but not against many, and is the subject of the experiment beside.
        placement=APART,
        beside_more=("offload --threads=8",),
        without=("blocking",),
        finding=findings.hog,
        cost="kept_beside_hogs",
        breaks=findings.starved_by_long,
        columns=("rate_during", "rate_before", "kept_beside_hogs",
                 "p99_before", "p99_during", "hog_p50", "served"),
        claims=(
            *each("fork thread prefork pool", KEEPS_BESIDE_FOUR,
                  "kept_beside_hogs", AT_LEAST, findings.SHARED_MIN,
                  otherwise=CORE_TAKEN),
            # With no more threads than hogs, all threads would be busy.
            Claim("offload --threads=8", KEEPS_BESIDE_FOUR,
                  "kept_beside_hogs", AT_LEAST, 0.15, otherwise=CORE_TAKEN),
            *each("nonblocking coroutine callback generator", KEEPS_BESIDE_FOUR,
                  "kept_beside_hogs", AT_MOST, findings.STARVED_MAX,
                  otherwise="the server computes in another thread, or fib(40) "
                            "is over within a few milliseconds"),
        ),
        explanation=(
            "All share one core. The kernel takes it from a process or thread "
            "that computes for long and gives it to one that has just been "
            "woken, so small requests pass the long ones. A server with one "
            "thread has only one thing that could be given the core: until "
            "fib(40) is computed, it serves no other client.\n\nEach hog asks "
            "again as soon as it has its reply, in the middle third of the "
            "time; what it asked last is still waited for. blocking is not "
            "here: while its first client stays, no hog gets in.\n\nAbove the "
            "small replies, the picture has a row for each hog. Its request is "
            "grey while it waits and coloured while the server computes, as "
            "the server recorded (--trace) in a run after the measured ones. "
            "Computations that overlap share the core. A quick bench records "
            "nothing: its picture is only shaded while such requests are in "
            "flight, and says so."
        ),
        trace=request_log.over_time,
        traced_rounds=1,
    ),
    Experiment(
        name="beside",
        question="Ten clients ask for little beside one that asks for fib(40), "
                 "and there are cores for both: what do the ten keep?",
        axis="connections",
        cells=grid(Cell(10, hogs=1), "connections", quick=(10,), default=(1,)),
        load=10,
        seconds=1.5,
        placement=FREE,
        elsewhere=True,
        asked_by=("gil", *ELSEWHERE),
        without=("blocking",),
        finding=findings.hog,
        cost="kept_beside_hogs",
        breaks=findings.starved_by_long,
        columns=("rate_during", "rate_before", "kept_beside_hogs",
                 "p99_before", "p99_during", "served"),
        claims=(
            Claim("gil", "keeps {bound} of the small requests of ten clients",
                  "kept_beside_hogs", AT_MOST, 0.1, otherwise=SLOW_TO_WAKE),
            Claim("gil", "keeps {bound} of the small requests of one client",
                  "kept_beside_hogs", AT_MOST, 0.05, load=1,
                  otherwise=SLOW_TO_WAKE),
            Claim("thread", "keeps {bound} of the small requests of ten "
                  "clients", "kept_beside_hogs", AT_LEAST, findings.SHARED_MIN,
                  otherwise=NO_SECOND_CORE),
        ),
        explanation=(
            "A server with a thread per client needs no more than a second "
            "core to serve the others beside a long request. With a lock "
            "around all computing, as in Python, it hardly helps: a short "
            "request waits until the long one drops the lock, which takes 5 "
            "ms, unless the lock comes back to it before the long thread is "
            "awake. Servers with one thread do not serve at all until the long "
            "request is over, whatever language they are written in. Go moves "
            "goroutines between threads, and interrupts those that compute for "
            "long.\n\nfib(40) takes a hundred times as long in Python as in C: "
            "what is compared is the share that the other clients keep."
        ),
    ),
    Experiment(
        name="idle",
        elsewhere=True,
        question="Ten clients ask, many more are idle: "
                 "what does an idle connection cost?",
        axis="idle",
        # The claims about fork, select and poll are judged at 1,000 idle
        # connections, those about other models at 10,000.
        cells=(*grid(Cell(10), "idle", quick=(0,), full=(100,)),
               Cell(10, idle=1000, size="default",
                    without=("nonblocking", "coroutine")),
               Cell(10, idle=10000, without=("fork",))),
        load=10000,
        # Long, so that a pause of 30 ms, which other virtual machines on the
        # host can cause, is less than a tenth of it.
        seconds=0.4,
        placement=APART,
        without=("blocking",),
        compares_loads=True,
        finding=findings.idle,
        cost="kib_per_silent",
        breaks=findings.slowed_by_silence,
        columns=("kept", "rate", "cpu_us", "pss", "kib_per_silent",
                 "processes", "threads"),
        claims=(
            Claim("nonblocking", "keeps {bound} of the rate it has without "
                  "idle clients", "rate_kept", AT_MOST, 0.1,
                  otherwise="idle connections were not all open"),
            *each("select poll", "keeps {bound} of the rate it has without "
                  "idle clients", "rate_kept", AT_MOST, 0.5, load=1000,
                  otherwise="the client, not the server, set the rate"),
            *each("callback uring", "answers {bound} of the requests per "
                  "second of CPU time that it answers without idle clients",
                  "work_kept", AT_LEAST, 0.7, otherwise=CACHES_FULL),
            Claim("coroutine", "keeps {bound} of the rate it has without "
                  "idle clients", "rate_kept", AT_LEAST, 0.9,
                  otherwise="another program took part of its core in some "
                            f"rounds, or {CACHES_FULL}"),
            Claim("coroutine", "answers {bound} of the requests per second of "
                  "CPU time that it answers without idle clients",
                  "work_kept", AT_LEAST, 0.9, otherwise=CACHES_FULL),
            Claim("coroutine", "takes {bound} of thread's memory for an idle "
                  "client", "kib_per_silent", AT_MOST, 0.8,
                  than_model="thread",
                  otherwise="a thread was given less stack, or a coroutine "
                            "more: see --stack-kib"),
            Claim("fork", "takes {bound} times thread's memory for an idle "
                  "client", "kib_per_silent", AT_LEAST, 2, load=1000,
                  than_model="thread",
                  otherwise="the threads were given more stack: see "
                            "--stack-kib"),
        ),
        explanation=(
            "A process or thread that waits takes memory; the kernel does not "
            "check it until its client sends something. (What a thousand "
            "processes take of the caches can still be seen in fork's rate.) "
            "epoll tells coroutine which connections are ready, however many "
            "are idle. nonblocking polls every connection in every round, a "
            "system call each. blocking is not here: behind one idle client it "
            "serves no other (see silent). fork meets 10,000 only in the full "
            "bench: so many processes take seconds to start and to "
            "end.\n\nMemory is what the server's processes hold more than "
            "without idle clients, divided by their number (PSS: a page that "
            "several share counts once). The kernel's own memory for a "
            "connection, process or thread comes on top."
        ),
    ),
    Experiment(
        name="churn",
        question="A new connection for every request: "
                 "what does a connection cost?",
        axis="connections",
        cells=grid(Cell(10, churn=True), "connections", quick=(10,),
                   full=(1, 100)),
        load=10,
        seconds=0.2,
        placement=TOGETHER,
        finding=findings.churn,
        cost="cpu_us_per_connection",
        columns=("connects", "served", "cpu_us_per_connection", "first_cpu_us",
                 "p50", "switches", "client"),
        claims=(
            Claim("fork", "spends {bound} times thread's CPU time per "
                  "connection", "server_cpu_us_per_req", AT_LEAST, 2,
                  than_model="thread",
                  otherwise="this kernel copies a small process nearly as "
                            "fast as it makes a thread"),
            Claim("coroutine", "spends {bound} of thread's CPU time per "
                  "connection", "server_cpu_us_per_req", AT_MOST, 0.8,
                  than_model="thread",
                  otherwise="the client was so slow that every connection "
                            "found the server asleep"),
            Claim("blocking", "spends no more CPU time per connection than "
                  "coroutine", "server_cpu_us_per_req", AT_MOST, 1,
                  than_model="coroutine",
                  otherwise="client and server had a core each, and blocking "
                            "slept for every client until that closed"),
        ),
        explanation=(
            "To accept and to close a connection costs all of them the same. "
            "On top of it fork copies a process and reaps it, thread makes a "
            "stack and a thread, coroutine takes a stack from a pool and tells "
            "epoll about the connection. blocking does nothing of the kind: a "
            "client that asks once and leaves is what it is good at.\n\n"
            "Client and server share a core, so that no figure contains the "
            "waking of another one. The rates are therefore those of both "
            "together; compare the CPU time, which is the server's alone."
        ),
    ),
    Experiment(
        name="knee",
        question="Requests come at a rate of their own, each with a new "
                 "connection: from which rate on do they queue?",
        axis="rate",
        cells=grid(Cell(20, churn=True), "rate", quick=(2000, 10000, 40000),
                   default=(5000, 20000), full=(1000, 30000)),
        load=10000,
        seconds=0.3,
        placement=APART,
        by_request=True,
        finding=findings.knee,
        columns=("kept_up", "p50", "p99", "rate", "served", "client"),
        claims=(
            *each("thread coroutine",
                  "answers {bound} of 10,000 requests per second", "kept_up",
                  AT_LEAST, findings.KEPT_UP_MIN,
                  otherwise="another program took part of its core, or a "
                            "connection costs more than 0.1 ms here"),
            Claim("fork", "has {bound} times coroutine's 99th percentile at "
                  "10,000 requests per second", "p99_us", AT_LEAST, 3,
                  than_model="coroutine",
                  otherwise="this machine starts and ends a process in less "
                            "than 0.1 ms"),
        ),
        explanation=(
            "Users do not wait for each other: their requests come when they "
            "come (an open loop), and one that has to queue counts from when "
            "it was due. Up to some rate the latency hardly changes; beyond "
            "it, the queue grows for as long as the load lasts, and the 99th "
            "percentile says how long that was, not how fast the server is. "
            "The rate at the bend is the capacity, and a service is run well "
            "below it.\n\n"
            "Each request has a connection of its own, so that blocking takes "
            "part: it serves one client after the other. What bends the curve "
            "is the cost of a connection (see churn): a process for each "
            "costs most. `fibload --ramp` draws such a curve of one server in "
            "a single run, and `fibload --find-rate p99=5ms` finds the rate."
        ),
    ),
    Experiment(
        name="wait",
        question="Each request waits 100 ms for a backend: "
                 "how many can wait at once?",
        axis="connections",
        cells=grid(Cell(1, delay_ms=100), "connections", quick=(1000,),
                   full=(1, 100, 500, 10000)),
        load=1000,
        seconds=0.35,
        placement=APART,
        more_models=("coroutine --trap",),
        finding=findings.wait,
        cost="possible",
        breaks=findings.waits_for_one,
        columns=("rate_to_last", "possible", "served", "cpu_us", "p50",
                 "processes", "threads"),
        claims=(
            Claim("blocking", "answers {bound} requests per second",
                  "rate_to_last", AT_MOST, 10,
                  otherwise="the server was started without --delay"),
            Claim("coroutine", "answers {bound} of the requests that "
                  "1,000 clients can make", "share_of_possible", AT_LEAST,
                  findings.POSSIBLE_MIN,
                  otherwise="the processor needs more than a tenth of the "
                            "time for the requests themselves, or others "
                            "were using its core"),
            Claim("coroutine --trap", "answers {bound} times the requests of "
                  "blocking", "rate_to_last", AT_MOST, 1.25,
                  than_model="blocking",
                  otherwise="what was measured is so short that it has a few "
                            "replies only"),
        ),
        explanation=(
            "Nearly no time is spent computing, so one core is enough for "
            "any number of clients, if the server can wait for all of them at "
            "once. A client that waits 100 ms for each reply can make ten "
            "requests a second, so 1,000 of them make 10,000 at most. "
            "Processes and threads wait in the kernel, a coroutine in a list "
            "ordered by time, nonblocking with a deadline in its table.\n\n"
            "`coroutine --trap` is the same server with nanosleep() in the "
            "place of co_sleep(): the one thread sleeps, and all clients "
            "with it. No compiler warns of such a call."
        ),
    ),
    Experiment(
        name="silent",
        question="The first client connects and sends nothing: "
                 "is the second served?",
        axis="connections",
        cells=(Cell(1, idle=1, requests=1),),
        load=1,
        seconds=0.3,
        placement=APART,
        finding=findings.silent,
        breaks=findings.stopped_by_one,
        columns=("first_reply", "served"),
        claims=(
            Claim("blocking", "serves {bound} clients behind the idle one",
                  "served", AT_MOST, 0,
                  otherwise="the idle client gave up its connection"),
            *each("fork thread nonblocking coroutine",
                  "serves {bound} client behind the idle one", "served",
                  AT_LEAST, 1,
                  otherwise="the server could not start another process or "
                            "thread, or had no core to run on"),
        ),
        explanation=(
            "The blocking server is blocked in recv(), for its first client. "
            "Meanwhile it cannot call accept(). Every other server can wait "
            "for all its clients at once."
        ),
    ),
    Experiment(
        name="timeline",
        question="Four clients ask for fib(32) at once, again and again: "
                 "what happens when?",
        axis="connections",
        cells=(Cell(4, n=32, requests=48),),
        load=4,
        seconds=5,  # at most: the run ends with the last reply
        placement=FREE,
        finding=findings.timeline,
        columns=("set_ms", "served", "turns", "cores", "cpu_ms"),
        claims=(
            Claim("blocking", "answers {bound} of the four clients, while "
                  "that one stays", "served", AT_MOST, 1,
                  otherwise="the first client lost its connection"),
            *each("fork thread",
                  "needs {bound} of nonblocking's time for the same requests",
                  "set_ms", AT_MOST, 0.7, than_model="nonblocking",
                  otherwise=NO_SECOND_CORE),
            *each("nonblocking coroutine",
                  "turns to another client after {bound} of its replies",
                  "turns", AT_LEAST, 0.9,
                  otherwise="the clients' next requests came later than the "
                            "server looked for them"),
        ),
        explanation=(
            "blocking is serial: the next client is accepted when this one has "
            "left. fork and thread compute as many requests at once as there "
            "are cores. nonblocking and coroutine compute one at a time, but "
            "change the client with every request, so that all wait equally "
            "long.\n\nA bar is a request, from its sending to its reply. It is "
            "coloured while the server computes, and hatched by the core on "
            "which that ended, as the server recorded (--trace) in a run after "
            "the measured ones. A client does not know when its request was "
            "computed. So where the server did not record, as in a quick "
            "bench, the coloured part is as long as the CPU time of a request "
            "on average and stands at the end of the bar, and the picture says "
            "so."
        ),
        trace=request_log.each_request,
    ),
)


def at_load(name, runs):
    """Returns the sound runs of the experiment with this name at its load."""
    experiment, = (one for one in EXPERIMENTS if one.name == name)
    return runs.sound().where(experiment=name,
                              **{experiment.axis: experiment.load})


def finished(runs):
    """Yields each experiment that can be judged, with its sound runs. It can be
    judged if one of its rounds is complete, or if a second round has begun. In
    an interrupted bench, some experiments fulfil neither condition."""
    for experiment in EXPERIMENTS:
        of = runs.where(experiment=experiment.name)
        rounds = of.values("round")
        whole = of and len(of) >= of[0].get("runs_per_round", 0)
        if of.sound() and (whole or len(rounds) > 1):
            yield experiment, of.sound()
