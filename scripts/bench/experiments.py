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
NO_SECOND_CORE = "there is only one core, or other programs used the second"
CORE_TAKEN = ("other programs used the server's core, or the kernel's "
              "scheduler prefers threads that compute for long")
SLOW_TO_WAKE = ("the thread with the long request woke slowly, and short "
                "requests took the lock before it")
CACHES_FULL = ("what the kernel stores for 10,000 connections took too much of "
               "the processor's caches")

EXPERIMENTS = (
    Experiment(
        name="latency",
        question="Each client sends one long request at a time: "
                 "which models use all cores?",
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
                  otherwise="an option, or a change in the source, gave the "
                            "server more than one thread"),
        ),
        explanation=(
            "A request for fib(30) only computes. The kernel spreads processes "
            "and threads over the cores. A server with one thread computes one "
            "request after the other, however well it waits, and the other "
            "requests queue.\n\n"
            "Compare models at the same load, not one load with another. While "
            "a single client waits for its next request, the cores fall "
            "asleep, and a core that has just been woken is slow at first. "
            "More clients keep it awake, so two may get more than twice the "
            "replies of one, even from a server that uses one core."
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
                  otherwise="the client was slow or the core busy: then few "
                            "clients are ready at once, and coroutine's thread "
                            "sleeps as often as those of thread"),
            Claim("thread", "spends no more CPU time per request than fork",
                  "server_cpu_us_per_req", AT_MOST, 1, than_model="fork",
                  otherwise="on this processor, a switch between processes "
                            "costs hardly more than one between threads, and "
                            "the difference is less than the noise"),
            Claim("fork", "uses {bound} of its CPU time in its parent process",
                  "first_process_share", AT_MOST, 0.5,
                  otherwise="there were few requests, so that starting the "
                            "processes cost more than serving them"),
        ),
        explanation=(
            "A request for fib(1) computes nothing. What remains is to "
            "receive, to send, and to choose the next client. The kernel puts "
            "a process or thread to sleep and wakes it for every request, but "
            "not a single thread that finds many clients ready at once. With "
            "one connection (full bench) every server sleeps between two "
            "requests, and the figure includes how long a sleeping core takes "
            "to wake. Where the client is busy for 90 % of the time or more, "
            "it is the limit: the server could answer at least that many "
            "requests (≥).\n\n"
            "If only the parent process were measured, without its children, "
            "fork would seem the cheapest model: the parent only accepts."
        ),
    ),
    Experiment(
        name="hog",
        question="Four clients ask for fib(40): "
                 "what does it mean for eight with small requests?",
        axis="hogs",
        cells=grid(Cell(8), "hogs", quick=(4,), full=(0, 1)),
        load=4,
        seconds=0.75,
        # The server has only one core. A second one would help against one hog
        # but not against many, and is the subject of the experiment beside.
        placement=APART,
        more_models=("offload --threads=8",),
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
                            "takes only a few milliseconds"),
        ),
        explanation=(
            "The whole server has one core. The kernel takes it from a process "
            "or thread that has computed for long, and gives it to one that "
            "has just been woken. So small requests overtake the long ones. A "
            "server with one thread serves no other client until fib(40) is "
            "computed.\n\n"
            "A client that sends long requests is called a hog. In the middle "
            "third of the time, each hog sends the next request as soon as it "
            "has its reply. Then the run waits for the last of these replies. "
            "blocking is left out: while its first client stays connected, it "
            "accepts no hog.\n\n"
            "In the picture, above the small replies, each hog has a row. Its "
            "request is grey while it waits, and coloured while the server "
            "computes it, as the server recorded (--trace) in a run after the "
            "measured ones. Computations that overlap share the core. A quick "
            "bench records nothing: its picture is only shaded while such "
            "requests are in flight, and says so."
        ),
        trace=request_log.over_time,
        traced_rounds=1,
    ),
    Experiment(
        name="beside",
        question="One client asks for fib(40), and other cores are free: "
                 "how many replies do ten others get?",
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
            "A server with a thread per client needs only a second core to "
            "serve the other clients beside a long request. If one lock "
            "protects all computing, as in Python, the second core hardly "
            "helps: a short request waits 5 ms until the long one releases the "
            "lock, unless it can take the lock again before the long thread is "
            "awake. A server with one thread serves no other client until the "
            "long request is computed, whatever its language. Go moves "
            "goroutines between threads, and interrupts those that compute for "
            "long.\n\n"
            "fib(40) takes a hundred times as long in Python as in C. So this "
            "experiment compares the share of the replies that the other "
            "clients still get."
        ),
    ),
    Experiment(
        name="idle",
        elsewhere=True,
        question="Ten clients send requests, many more are idle: "
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
        breaks=findings.slowed_by_idle,
        columns=("kept", "rate", "cpu_us", "pss", "kib_per_silent",
                 "processes", "threads"),
        claims=(
            Claim("nonblocking", "keeps {bound} of the rate it has without "
                  "idle clients", "rate_kept", AT_MOST, 0.1,
                  otherwise="some idle connections were not open"),
            *each("select poll", "keeps {bound} of the rate it has without "
                  "idle clients", "rate_kept", AT_MOST, 0.5, load=1000,
                  otherwise="the client was the limit, not the server"),
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
            "A process or thread that waits for an idle client takes memory, "
            "but no CPU time: the kernel wakes it only when its client sends "
            "something. Thousands of processes may still slow fork down, "
            "because they compete for the processor's caches. epoll tells "
            "coroutine which connections are ready, however many are idle. "
            "nonblocking polls every connection in every round, with a system "
            "call for each. blocking is left out: behind one idle client it "
            "serves no other (see silent). fork has 10,000 idle clients only "
            "in the full bench, because so many processes take seconds to "
            "start and to end.\n\n"
            "The memory of an idle client is what the server's processes have "
            "in addition, divided by the number of idle clients (PSS: a page "
            "that several processes share counts once). The kernel's own "
            "memory for a connection, process or thread is not included."
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
                            "fast as it creates a thread"),
            Claim("coroutine", "spends {bound} of thread's CPU time per "
                  "connection", "server_cpu_us_per_req", AT_MOST, 0.8,
                  than_model="thread",
                  otherwise="the client was so slow that the server slept "
                            "before every connection"),
            Claim("blocking", "spends no more CPU time per connection than "
                  "coroutine", "server_cpu_us_per_req", AT_MOST, 1,
                  than_model="coroutine",
                  otherwise="client and server had a core each, and blocking "
                            "slept until each client closed its connection"),
        ),
        explanation=(
            "All models accept and close a connection, at the same cost. In "
            "addition, fork copies a process and reaps it, thread creates a "
            "thread and its stack, coroutine takes a stack from a pool and "
            "adds the connection to epoll. blocking does none of this: it is "
            "good at clients that send one request and leave.\n\n"
            "Client and server share a core, so no figure includes the time to "
            "wake another core. The rate therefore depends on both programs. "
            "Compare the CPU time, which is the server's alone."
        ),
    ),
    Experiment(
        name="knee",
        question="Requests come at a fixed rate, each on a new connection: "
                 "at which rate do they begin to queue?",
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
                  otherwise="another program used its core, or a connection "
                            "costs more than 0.1 ms on this machine"),
            Claim("fork", "has {bound} times coroutine's 99th percentile at "
                  "10,000 requests per second", "p99_us", AT_LEAST, 3,
                  than_model="coroutine",
                  otherwise="this machine starts and ends a process in less "
                            "than 0.1 ms"),
        ),
        explanation=(
            "Users do not wait for each other. Their requests come at any "
            "time, whether or not earlier ones have been answered (an open "
            "loop), and each latency counts from the moment when the request "
            "was due. Up to some rate the latency hardly changes. Beyond it, "
            "the queue grows as long as the load lasts, so the 99th percentile "
            "tells how long the run was, not how fast the server is. The rate "
            "where the curve bends is the capacity of the server. A service "
            "needs a capacity well above its usual load.\n\n"
            "Each request has a connection of its own, so blocking can take "
            "part: it serves one client after the other. The cost of a "
            "connection (see churn) decides where the curve bends, and a "
            "process for each connection costs most. `fibload --ramp` measures "
            "such a curve for one server in a single run, and `fibload "
            "--find-rate p99=5ms` finds the rate."
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
                  otherwise="the requests themselves take more than a tenth of "
                            "the CPU time, or other programs used the core"),
            Claim("coroutine --trap", "answers {bound} times the requests of "
                  "blocking", "rate_to_last", AT_MOST, 1.25,
                  than_model="blocking",
                  otherwise="the run was so short that there were only a few "
                            "replies"),
        ),
        explanation=(
            "The server hardly computes. So one core is enough for many "
            "clients, if the server can wait for all of their requests at the "
            "same time. A client that waits 100 ms for each reply can send ten "
            "requests a second, so 1,000 clients send at most 10,000. "
            "Processes and threads wait in the kernel, a coroutine in a heap "
            "of timers, and nonblocking stores a deadline for each client.\n\n"
            "`coroutine --trap` is the same server, but it calls nanosleep() "
            "instead of co_sleep(). So its only thread sleeps, and all clients "
            "wait. No compiler warns of such a call."
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
                  otherwise="the idle client closed its connection"),
            *each("fork thread nonblocking coroutine",
                  "serves {bound} client behind the idle one", "served",
                  AT_LEAST, 1,
                  otherwise="the server could not start another process or "
                            "thread, or got no CPU time"),
        ),
        explanation=(
            "blocking is blocked in recv(), for its first client. Meanwhile it "
            "cannot call accept(). Every other server can wait for all its "
            "clients at the same time."
        ),
    ),
    Experiment(
        name="timeline",
        question="Four clients ask for fib(32) at the same time: "
                 "when is each request computed?",
        axis="connections",
        cells=(Cell(4, n=32, requests=48),),
        load=4,
        seconds=5,  # at most: the run ends with the last reply
        placement=FREE,
        finding=findings.timeline,
        columns=("set_ms", "served", "turns", "cores", "cpu_ms"),
        claims=(
            Claim("blocking", "serves {bound} of the four clients until that "
                  "one leaves", "served", AT_MOST, 1,
                  otherwise="the first client lost its connection"),
            *each("fork thread",
                  "needs {bound} of nonblocking's time for the same requests",
                  "set_ms", AT_MOST, 0.7, than_model="nonblocking",
                  otherwise=NO_SECOND_CORE),
            *each("nonblocking coroutine",
                  "turns to another client after {bound} of its replies",
                  "turns", AT_LEAST, 0.9,
                  otherwise="the clients' next requests came after the server "
                            "had checked for them"),
        ),
        explanation=(
            "blocking accepts the next client only when the first one has "
            "left. fork and thread compute as many requests at the same time "
            "as there are cores. nonblocking and coroutine compute one at a "
            "time, but take the clients in turn, so all of them wait equally "
            "long.\n\n"
            "Each client sends its next request as soon as it has a reply. A "
            "bar is a request, from sending it to its reply. It is coloured "
            "while the server computes, and its pattern shows on which core "
            "the computation ended, as the server recorded (--trace) in a run "
            "after the measured ones. A client does not know when the server "
            "computes its request. So where the server did not record, as in a "
            "quick bench, the coloured part is at the end of the bar, is as "
            "long as the average CPU time of a request, and the picture says "
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
    judged if one round is complete. If a second round has begun, the first one
    lacks only runs that failed, and the experiment is judged without them. So
    only an interrupted bench has experiments that are left out."""
    for experiment in EXPERIMENTS:
        of = runs.where(experiment=experiment.name)
        rounds = of.values("round")
        whole = of and len(of) >= of[0].get("runs_per_round", 0)
        if of.sound() and (whole or len(rounds) > 1):
            yield experiment, of.sound()
