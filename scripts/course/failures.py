"""Explains failed checks of the conversation and of the attack matrix to a
student who has written a server and has not read the check.

EXPLANATIONS are pairs of a pattern and a text. The first pattern that is found
in the name of the check counts.
"""

import re

EXPLANATIONS = (
    # Checks in any part
    (r"^it starts", "If it says that a function is not written yet, write that "
     "first. Otherwise it did not say that it is ready: within 30 s it must "
     "print a line on standard output that ends in its port, \"name: listening "
     "on 127.0.0.1:43211\", and flush it. `--port 0` lets the kernel choose."),
    (r"it answers$", "The reply to \"7\\n\" is \"fib: 13\\n\", wherever it "
     "listens."),
    (r"it stops cleanly", "On SIGTERM it must finish, print \"name: stopped "
     "after N connections, N requests, N errors\", leave standard error empty "
     "(--quiet) and exit with status 0."),

    # protocol
    (r"^values|^the first three", "The reply to \"30\\n\" is \"fib: 832040\\n\" "
     "and fib(1) and fib(2) are 1. Is every reply sent at once, and whole?"),
    (r"^blanks, CRLF", "A number may have blanks around it, zeros before it "
     "and \\r before the \\n."),
    (r"^each bad line", "Whatever is no number from 1 to --max-n gets one line "
     "that begins with \"error: \", and the connection stays open for the next "
     "request."),
    (r"^a byte at a time", "One recv() may return half a request, or a byte. "
     "Keep what has come until there is a whole line, and answer a last line "
     "without \\n when the client has finished. See bytes-are-not-lines."),
    (r"pipelined requests, in order", "Several requests may come in one "
     "piece. Each gets its reply, in order, and none may be forgotten in the "
     "buffer while the server waits in recv() for more."),
    (r"^(it takes )?a line of 8 MB|^and the connection stays usable", "A line "
     "longer than 100 bytes is skipped to its end and gets one error; the next "
     "line is a request again."),
    (r"^and takes no memory|^in constant memory|its memory stays as it was",
     "Its memory grew with what the client sent: a client can fill it. Keep a "
     "buffer of one size, and stop reading from a client that does not read "
     "its replies."),
    (r"^no last newline", "It did not take what was sent."),
    (r"^after a half-close", "A client may end its sending side and wait: all "
     "replies still come, also that to a last line without \\n, and then the "
     "server closes. Does another process or thread hold the connection "
     "open? See two-closes in servers/fork.c."),
    (r"^nothing asked, nothing said", "A client that ends without a request "
     "gets no reply; the server closes its side, too."),
    (r"clients at once$", "A thousand clients connect before the first is "
     "answered. All must be, each on its connection: is the backlog of "
     "listen() large enough, and is none lost when accept() is slow?"),
    (r"^--framing http|^until the client wants it|^a bad request line",
     "With --framing http a request is a GET of /N, and the reply has a head; "
     "the connection is kept as HTTP/1.1 says."),
    (r"^--framing recv|^and takes two requests", "With --framing recv what one "
     "recv() returns is one request, without a newline."),
    (r"^--max-n", "--max-n N is the largest n that is answered; above it comes "
     "an error."),

    # hostile
    (r"reset the connection|resets it during|leave before the replies", "A "
     "client that resets its connection ends its own conversation, and no "
     "other: recv() and send() fail with ECONNRESET or EPIPE, and SIGPIPE "
     "must not kill the server (MSG_NOSIGNAL)."),
    (r"^beside an idle client", "One idle client stops the service: no other "
     "client is served. See one-waits-all-wait."),
    (r"^behind an idle client|^until the first leaves", "A blocking server "
     "serves one client after the other: the second waits until the first "
     "leaves, and is then served."),
    (r"never reads, the server stops reading", "It still reads from a client "
     "that takes no replies, so the replies pile up. Send before you read on."),
    (r"^and others are served meanwhile", "While one client takes no replies, "
     "the others must be served: a send() that waits must not stop all."),
    (r"when it reads at last", "Requests that were taken must all be answered, "
     "also to a slow reader: send() may take only a part, send the rest "
     "later. See partial-writes."),
    (r"^and then the next is served", "After a slow client the next one is "
     "served."),
    (r"never reads, and vanishes", "A client that leaves without reading must "
     "not hold up the server, nor end it."),
    (r"send garbage", "Any bytes may come, NUL among them. None may end the "
     "server."),

    # limits
    (r"its log is", "What it logs must neither stop the server nor reach a "
     "client: standard error may be a pipe without a reader, closed, or a "
     "full disk. Do not block in write(), ignore its errors, and open "
     "something as standard error if it is closed."),
    (r"while full, it does not spin", "When accept(), fork() or the like "
     "fails because a table is full, it tries again at once, without end. Wait "
     "a little (100 ms) between two attempts: see out-of-descriptors."),
    (r"clients are served in the end", "When a table is full, clients wait in "
     "the kernel's queue; none may be disconnected, and each is served once "
     "the table has a free entry."),
    (r"lives on until told", "A full table (descriptors, processes, memory) "
     "is no reason to die."),
    (r"at most one log line a second", "It logs the same trouble for every "
     "client. It may log this once a second."),
    (r"^--max-clients 5|^until one leaves|^no client is disconnected",
     "With --max-clients 5 five are served, a sixth waits in the kernel's "
     "queue until one leaves, and no client is disconnected."),
    (r"connections, one after the other", "It did not serve many short "
     "connections one after the other. Is something used up by each?"),
    (r"^leave no descriptor|descriptor is left", "After its clients have left "
     "it has more descriptors open than before: a close() is missing."),
    (r"^and no process, alive or dead", "Processes are left of clients that "
     "are gone. Dead ones stay in the table until waitpid() asks for them: see "
     "zombies."),
    (r"^and no thread", "Threads are left of clients that are gone: do they "
     "end, and are they detached or joined?"),
    (r"^and no memory", "Its memory grows with every connection: something is "
     "not freed."),

    # waiting
    (r"beside a long request", "A long fib() for one client kept another from "
     "its reply, although the model computes for several at once."),
    (r"wait for their backends together", "With --delay each request waits for "
     "a backend. 60 clients must wait at the same time; here they waited one "
     "after the other: a sleep delays all clients. See deadline-instead-of-sleep and "
     "blocking-trap."),
    (r"backends one after the other", "This model waits for one backend at a "
     "time; it waited for several, or a reply was missing."),
    (r"no wakeup is spurious", "It counts a wakeup that found no client, though "
     "none had connected: the signal to stop is not a wakeup for a client."),
    (r"it takes no CPU", "While no client sends, it uses the processor: "
     "somewhere it polls again and again instead of waiting."),
    (r"takes what it gets of a core", "A server of this model polls all clients "
     "in turn and never waits, so it is busy even when no client sends. This "
     "one waits somewhere, or gave no answer."),
    (r"^--idle-timeout|half a request( is not answered)?$|"
     r"^one that waits for its reply|^until it is idle as well", "With "
     "--idle-timeout S the server closes a connection on which nothing has "
     "come for S seconds, also after half a request, and never one that waits "
     "for its reply (--delay) or still reads its replies."),

    # stopping
    (r"request in progress is answered|waits for its backend is answered|"
     r"waits for what is in progress", "A request that has arrived before "
     "SIGTERM or SIGINT is answered before the server ends, also one that is "
     "being computed or waits for its backend."),
    (r"exit status 0 and a summary", "After a signal it exits with status 0 "
     "and prints a last line with the right counts: \"name: stopped after 1 "
     "connections, 1 requests, 0 errors\"."),
    (r"requests that had arrived", "All requests that had arrived before the "
     "signal are answered, also those still in the socket's buffer: read what "
     "is there (FIONREAD says how much), then close."),
    (r"^half a request is not", "A line that was not whole when the signal "
     "came gets no reply."),
    (r"last line that the client had ended", "When the client has ended its "
     "side, a last line without \\n is a request, also while the server "
     "stops."),
    (r"ask on and read slowly|it ends well", "A server that is stopping takes "
     "no more requests, sends what it owes and ends, however slowly its "
     "clients read."),
    (r"replies arrive|replies it counted arrive|and all are right",
     "Replies that it counted did not arrive. close() with unread input resets "
     "the connection and drops what was sent: see close-can-lose."),
    (r"it accepts no new client", "After the signal it accepts no client: close "
     "or shut down the listener first."),
    (r"^idle clients do not delay", "When it stops, it must not wait for "
     "idle clients: end their recv() with shutdown(). A blocked thread does "
     "not see a flag: see stop-without-a-race."),
    (r"that is full can be stopped", "With --max-clients reached it waits for "
     "room and not in accept(): that wait must end, too, when the signal "
     "comes."),
    (r"^a stream of new clients", "When a new client is always waiting, the "
     "server does not stop: ppoll() returns for a client and leaves a blocked "
     "signal pending. Let the signal through whether or not there is a "
     "client."),
    (r"does not keep it running", "A client that keeps sending, or never "
     "reads, must not keep a stopping server alive: answer what had arrived, "
     "and give up on a client that takes nothing for a second."),
    (r"^a second signal ends it|^and all its processes", "A second SIGTERM "
     "ends the server at once, with all its processes: restore the default "
     "action after the first."),
    (r"three signals at the same time", "Two signals that come at almost the "
     "same time are one wish to stop: `timeout` and terminals signal a process "
     "and then its whole group. Only a later one, after 200 ms, ends the server "
     "at once."),
    (r"^a signal to a child", "A child ends with its own conversation. The "
     "server continues, and so do its other children."),
    (r"^SIGKILL ends it|no child lives on", "However the server dies, its "
     "children die with it: see orphans (PR_SET_PDEATHSIG)."),
    (r"^a taken port", "If the port is taken it prints one line that names the "
     "port on standard error and exits with status 1."),
    (r"started again on the same port", "After a stop the port must be free at "
     "once: set SO_REUSEADDR on the listener."),

    # owed
    (r"^with all slots taken", "A client that accept() has returned is answered "
     "before the server ends, also one that had to wait for a slot or in a "
     "queue of the server's own."),
    (r"gets all replies it is owed|server does not say otherwise", "A client "
     "that reads slowly but steadily gets every reply, also while the server "
     "stops: what counts is whether the peer has acknowledged more bytes since "
     "the last look."),
    (r"for one that has reset|^one that left before", "A client that has closed its socket cannot "
     "take a reply: its kernel answers with a reset. Do not wait for it when "
     "the server stops."),
    (r"what it could not deliver", "When the server gives up a client that reads "
     "nothing, its summary says so: \"...; N bytes of replies were not "
     "delivered\"."),
    (r"one that has reset its connection", "A connection that the client has "
     "reset is over (TCP_INFO says TCP_CLOSE): the server must not wait until "
     "its replies are acknowledged."),

    (r"a signal of another process", "It trusts the descriptor in a signal that "
     "another process has sent: only if si_code is above 0 the kernel has sent "
     "it."),

    # command_line
    (r"bad command lines", "A bad option exits with status 2 and one line on "
     "standard error that names the option."),
    (r"^--help", "--help prints all options on standard output and exits with "
     "status 0."),
    (r"127.0.0.1 only$|^--host", "It listens on 127.0.0.1, so that only this "
     "machine can reach it, and elsewhere only if --host says so."),

    # torture: "attack, problem: figures"
    (r"^\w+, dead:", "The whole server ended. What fails on one connection "
     "(ECONNRESET, EPIPE, SIGPIPE) ends that conversation and nothing else, "
     "and a full table is a reason to wait."),
    (r"^exhausting, spins:", "It has no descriptor left for a client that "
     "waits, and calls accept() again at once, without end. Wait a little (100 "
     "ms) between two attempts: see out-of-descriptors."),
    (r"^\w+, spins:", "It has nothing to do and uses the processor: somewhere "
     "it asks again and again instead of waiting. Does it notice that a client "
     "is gone?"),
    (r"^\w+, grows:", "Its memory grew with what hostile clients sent or did "
     "not read: keep buffers of one size, and read no more from a client that "
     "does not take its replies."),
    (r"^\w+, leaks:", "The hostile clients are gone, and it keeps what it had "
     "for them: a close(), a free(), a waitpid(), or a thread that does not "
     "end."),
    (r"^SIGTERM, cut:", "The request of a well-behaved client had arrived "
     "before SIGTERM and got no answer: answer what has arrived, then close."),
    (r"^SIG\w+, left:", "The server has ended while clients were connected, "
     "and its children live on: see orphans (PR_SET_PDEATHSIG)."),
    (r"^SIG\w+, port:", "When the server has ended, another must be able to "
     "listen on the same port at once: set SO_REUSEADDR, and leave no child "
     "that holds the listener."),
    (r"^\w+, exit:", "On SIGTERM it must finish and exit with status 0, also "
     "after or in the middle of an attack."),
    (r"^\w+, beside:", "It serves others beside a client that keeps it "
     "waiting: that is more than this model does, so it is another one. Say "
     "which with MODEL."),
    (r"^exhausting, never:", "When no descriptor is left, clients wait in the "
     "kernel's queue; when others leave, they must be served: does it accept "
     "again?"),
    (r"^\w+, (waits|never|cut):", "The victim is a well-behaved client that "
     "asks during the attack. It was served too late or never: one client must "
     "not hold up the others. See one-waits-all-wait, and partial-writes for "
     "clients that do not read."),
    (r"^bursting, lost:", "Of many that connect at once, each must get its "
     "reply or be refused. Some were let in, and then left without a reply."),
    (r"^churning, lost:", "Each request came on a connection of its own, which "
     "was reset after the reply. Not all got the right reply in time."),
    (r"^pipelining, lost:", "Of 10,000 requests that came in one piece, some "
     "got no reply: send() may take only a part, and the buffer may still hold "
     "requests when recv() has nothing more."),
    (r"^\w+, lost:", "A hostile client has a right to be served, too: it was "
     "disconnected, or waited for more than 10 s."),
    (r"^\w+, (wrong|fails):", "It did not get as far as the attack: it must "
     "print a line that ends in its port, and answer \"10\\n\" with \"fib: "
     "55\\n\", also with 64 descriptors (exhausting)."),
)


def explained(check):
    """Returns what the failure of this check means, in a few sentences."""
    for pattern, meaning in EXPLANATIONS:
        if re.search(pattern, check):
            return meaning
    return ("Read what this check does in tests/conversation, where its name "
            "stands.")
