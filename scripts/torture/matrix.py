"""The columns of the attack matrix, as data: which client attacks, which question
that asks, and what is expected of a server."""

import dataclasses

from torture import attacks

# The outcome for a well-behaved client beside the attack.
BESIDE = "beside"  # it is served meanwhile
AFTER = "after"  # it is served when the attack is over
NEVER = "never"
CUT = "cut"  # its connection ends, as the server was killed

SERVED = (BESIDE, AFTER)

# By design these serve no client while one is idle.
ONE_AT_A_TIME = ("blocking",)

# A server whose model is not known. How it waits is its own affair.
ANY = "any"

# By design these take all the CPU time they can get, or may.
ALWAYS_BUSY = ("nonblocking", ANY)

# Threads that a model starts after its first request, and keeps.
STARTED_LATER = {"offload": 1}

MIB = 1024  # in KiB


@dataclasses.dataclass(frozen=True)
class Column:
    """A hostile client, and what it may do to others and to the server."""

    label: str  # at most twice five letters
    client: object  # a function of attacks.py
    question: str
    expected: tuple = (BESIDE,)
    one_at_a_time: tuple = SERVED  # expected of those
    restful: bool = True  # the server has nothing to do, and takes no CPU
    descriptors: int = 0  # how many it may have; 0: as many as it likes
    backlog: int = 0  # how many connections may wait; 0: its default
    held: int = 0  # what it cannot know to be gone
    memory_kib: int = 4 * MIB  # by which it may grow meanwhile
    ending: str = ""  # the signal that ends it in the middle

    @property
    def name(self):
        return self.ending or self.client.__name__


ATTACKS = (
    Column("mute", attacks.silent,
           "Twenty clients send nothing. Which others wait for them?",
           one_at_a_time=(AFTER,), memory_kib=24 * MIB),
    Column("drib-/bling", attacks.dribbling,
           "Ten send a digit every 10 ms, and never a whole line. Which others wait?",
           one_at_a_time=(AFTER,), memory_kib=12 * MIB, restful=False),
    Column("never/reads", attacks.never_reading,
           "Two never stop sending, and never read. Whose memory fills?",
           one_at_a_time=(AFTER,), restful=False),
    Column("reset", attacks.resetting,
           "Connections are reset during the work. Does that end the server?",
           restful=False, memory_kib=24 * MIB),
    Column("half-/close", attacks.half_closing,
           "A client ends its side after asking. Does it get all replies?",
           restful=False),
    Column("no/FIN", attacks.vanishing,
           "Ten vanish without a FIN. When does the server know?",
           one_at_a_time=(NEVER,), held=10, memory_kib=12 * MIB),
    Column("burst", attacks.bursting,
           "300 connect at once, 16 may wait in the queue. Is each served or told?",
           restful=False, backlog=16, memory_kib=96 * MIB),
    Column("no/fds", attacks.exhausting,
           "The server is out of descriptors. Does it spin, or die?",
           SERVED, one_at_a_time=(AFTER,), descriptors=64,
           memory_kib=48 * MIB),
    Column("churn", attacks.churning,
           "A new connection for each request, at full speed. What is left?",
           restful=False, memory_kib=12 * MIB),
    Column("10k/asked", attacks.pipelining,
           "10,000 requests at once. Is each answered, and others too?",
           restful=False),
    Column("gar-/bage", attacks.raving,
           "Random bytes. Does the server stay sane?", restful=False),
    Column("8 MB/line", attacks.endless,
           "A line of 8 MB. Does it take memory?", restful=False),
    Column("SIG-/TERM", attacks.asking,
           "Stopped under load: is what has arrived answered?",
           ending="SIGTERM", one_at_a_time=(BESIDE,)),
    Column("SIG-/KILL", attacks.asking,
           "Killed under load: is no process left, and the port free?",
           (CUT,), ending="SIGKILL", one_at_a_time=(CUT,)),
)

QUICK = ("silent", "resetting", "exhausting", "SIGTERM", "SIGKILL")


def expected_of(model, attack):
    return (attack.one_at_a_time if model in ONE_AT_A_TIME
            else attack.expected)

