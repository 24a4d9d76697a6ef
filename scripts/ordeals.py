"""The columns of the truth table: who attacks, which question that asks, and
what is expected of a server, as data."""

import dataclasses

import hostile
from results import MODELS, ROOT

# What becomes of a well-behaved client beside the attack.
BESIDE = "beside"  # it is served meanwhile
AFTER = "after"  # it is served when the attack is over
NEVER = "never"
CUT = "cut"  # its connection ends, as the server was killed

SERVED = (BESIDE, AFTER)

# By design these serve nobody while one client says nothing.
ONE_AT_A_TIME = ("blocking",)

# A server whose model is not known. How it waits is its own affair.
ANY = "any"

# By design these take all the CPU time they can get, or may.
ALWAYS_BUSY = ("nonblocking", ANY)

MIB = 1024  # in KiB


@dataclasses.dataclass(frozen=True)
class Ordeal:
    """A hostile client, and what it may do to others and to the server."""

    label: str  # at most twice five letters
    client: object  # a function of hostile.py
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


ORDEALS = (
    Ordeal("mute", hostile.silent,
           "Twenty clients say nothing. Who waits for them?",
           one_at_a_time=(AFTER,), memory_kib=24 * MIB),
    Ordeal("drib-/bling", hostile.dribbling,
           "Ten send a digit every 10 ms, and never a whole line. Who waits?",
           one_at_a_time=(AFTER,), memory_kib=12 * MIB, restful=False),
    Ordeal("never/reads", hostile.never_reading,
           "Two ask for ever and read nothing. Whose memory is it?",
           one_at_a_time=(AFTER,), restful=False),
    Ordeal("reset", hostile.resetting,
           "Connections are reset during the work. Does that end the server?",
           restful=False, memory_kib=24 * MIB),
    Ordeal("half-/close", hostile.half_closing,
           "A client ends its side after asking. Does it get all replies?",
           restful=False),
    Ordeal("no/FIN", hostile.vanishing,
           "Ten are gone without a word. Who can know that?",
           one_at_a_time=(NEVER,), held=10, memory_kib=12 * MIB),
    Ordeal("burst", hostile.bursting,
           "300 connect at once, 16 may wait in line. Is each served or told?",
           restful=False, backlog=16, memory_kib=96 * MIB),
    Ordeal("no/fds", hostile.exhausting,
           "The server is out of descriptors. Does it spin, or die?",
           SERVED, one_at_a_time=(AFTER,), descriptors=64,
           memory_kib=48 * MIB),
    Ordeal("churn", hostile.churning,
           "A new connection for each request, at full speed. What is left?",
           restful=False, memory_kib=12 * MIB),
    Ordeal("10k/asked", hostile.pipelining,
           "10,000 requests at once. Is each answered, and others too?",
           restful=False),
    Ordeal("gar-/bage", hostile.raving,
           "Random bytes. Does the server stay sane?", restful=False),
    Ordeal("8 MB/line", hostile.endless,
           "A line of 8 MB. Does it take memory?", restful=False),
    Ordeal("SIG-/TERM", hostile.asking,
           "Stopped under load: is what has arrived answered?",
           ending="SIGTERM", one_at_a_time=(BESIDE,)),
    Ordeal("SIG-/KILL", hostile.asking,
           "Killed under load: is nobody left, and the port free?",
           (CUT,), ending="SIGKILL", one_at_a_time=(CUT,)),
)

QUICK = ("silent", "resetting", "exhausting", "SIGTERM", "SIGKILL")


def expected_of(server, ordeal):
    return (ordeal.one_at_a_time if server in ONE_AT_A_TIME
            else ordeal.expected)


def more_models():
    path = ROOT / "servers" / "more" / "MODELS"
    return path.read_text("utf-8").split() if path.exists() else []


def models_named(names):
    """Our five if no names are given, and those beside them too for `all`."""
    if names == ["all"]:
        return [*MODELS, *more_models()]
    return names or list(MODELS)
