"""The columns of the attack matrix, as data: the attacking client, the question
that the attack answers, and what is expected of a server."""

import dataclasses

from torture import attacks

# The outcome for a well-behaved client beside the attack.
BESIDE = "beside"  # it is served during the attack
AFTER = "after"  # it is served only after the attack
NEVER = "never"
CUT = "cut"  # its connection ends, because the server is killed

SERVED = (BESIDE, AFTER)

# Models that by design serve no other client while one is connected.
ONE_AT_A_TIME = ("blocking",)

# Stands for a server of unknown model. How it waits is not judged.
ANY = "any"

# Models that by design use all the CPU time they can get, or that may.
ALWAYS_BUSY = ("nonblocking", ANY)

# Threads that a model starts after its first request, and keeps.
STARTED_LATER = {"offload": 1}

MIB = 1024  # in KiB


@dataclasses.dataclass(frozen=True)
class Column:
    """An attack, and what it may do to other clients and to the server."""

    label: str  # two lines of at most five letters
    client: object  # a function of attacks.py
    question: str
    expected: tuple = (BESIDE,)
    one_at_a_time: tuple = SERVED  # expected of ONE_AT_A_TIME
    leaves_idle: bool = True  # the server is idle during it
    descriptors: int = 0  # of the server at most; 0: no limit
    backlog: int = 0  # the server's --backlog; 0: its default
    memory_kib: int = 4 * MIB  # by which the server may grow
    ending: str = ""  # the signal that ends the server during it

    @property
    def name(self):
        return self.ending or self.client.__name__


ATTACKS = (
    Column("idle", attacks.idle,
           "Twenty clients send nothing. Which others wait for them?",
           one_at_a_time=(AFTER,), memory_kib=24 * MIB),
    Column("drib-/bling", attacks.dribbling,
           "Ten clients send digits, slowly, and no newline. Do others wait?",
           one_at_a_time=(AFTER,), memory_kib=12 * MIB, leaves_idle=False),
    Column("never/reads", attacks.never_reading,
           "Two clients send and never read. Does the server's memory grow?",
           one_at_a_time=(AFTER,), leaves_idle=False),
    Column("reset", attacks.resetting,
           "Clients reset during the work. Does the server end?",
           leaves_idle=False, memory_kib=24 * MIB),
    Column("half-/close", attacks.half_closing,
           "A client shuts down its sending side. Does it get all replies?",
           leaves_idle=False),
    Column("no/FIN", attacks.vanishing,
           "Ten clients vanish without a FIN. Are others served?",
           one_at_a_time=(NEVER,), memory_kib=12 * MIB),
    Column("burst", attacks.bursting,
           "300 clients at once, a backlog of 16. Is each served or refused?",
           leaves_idle=False, backlog=16, memory_kib=96 * MIB),
    Column("no/fds", attacks.exhausting,
           "No descriptor is free. Does the server spin, or end?",
           SERVED, one_at_a_time=(AFTER,), descriptors=64,
           memory_kib=48 * MIB),
    Column("churn", attacks.churning,
           "A new connection for each request. Does the server leak?",
           leaves_idle=False, memory_kib=12 * MIB),
    Column("10k/asked", attacks.pipelining,
           "10,000 requests at once. Is each answered, and others, too?",
           leaves_idle=False),
    Column("gar-/bage", attacks.raving,
           "Random bytes. Are others still served?", leaves_idle=False),
    Column("8 MB/line", attacks.endless,
           "A line of 8 MB. Does the server's memory grow?", leaves_idle=False),
    Column("SIG-/TERM", attacks.asking,
           "Stopped under load. Is each request that has arrived answered?",
           ending="SIGTERM", one_at_a_time=(BESIDE,)),
    Column("SIG-/KILL", attacks.asking,
           "Killed under load. Is no process left, and the port free?",
           (CUT,), ending="SIGKILL", one_at_a_time=(CUT,)),
)

QUICK = ("idle", "resetting", "exhausting", "SIGTERM", "SIGKILL")


def expected_of(model, attack):
    """Returns the outcomes that a request beside the attack may have."""
    return (attack.one_at_a_time if model in ONE_AT_A_TIME else attack.expected)

