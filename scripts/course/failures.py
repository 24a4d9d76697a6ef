"""Explains failed checks of the conversation and of the attack matrix to a
student who has written a server and has not read the check.

EXPLANATIONS are pairs of a pattern and a text. The first pattern that is found
in the name of the check counts.
"""

import re

EXPLANATIONS = (
    # Checks in any part
    (r"^it starts", "If the message says that a function is not written yet, "
     "write that function first. If your server refused an option, let it "
     "accept this option: course/project.md lists all of them. Otherwise it "
     "ended (it must stay in the foreground), or did not report within 20 s "
     "that it is ready. The first line that it prints on standard output must "
     "end in its port, \"name: listening on 127.0.0.1:43211\", and it must "
     "flush this line. With `--port 0` the kernel chooses the port."),
    (r"^a client can connect", "The first line that the server prints must end "
     "in the port on which it listens at 127.0.0.1. With `--port 0` the "
     "kernel chooses the port: getsockname() returns it. Print this line "
     "after listen()."),
    (r"it answers$", "The reply to \"7\\n\" must be \"fib: 13\\n\" on every "
     "address on which the server listens."),
    (r"it stops cleanly", "On SIGTERM the server must finish its work, print "
     "\"name: stopped after N connections, N requests, N errors\", and exit "
     "with status 0. With --quiet it must leave standard error empty."),

    # protocol
    (r"^two requests in one piece get|^fib\(1\), fib",
     "The reply to \"30\\n\" is \"fib: 832040\\n\", and fib(1) and fib(2) "
     "are 1. Each reply ends with a newline, and the connection stays open for "
     "the next request. Does your server send each reply at once, and all of "
     "it?"),
    (r"^blanks, CRLF", "A number may have blanks around it, leading zeros, and "
     "\\r before the \\n."),
    (r"^each invalid line",
     "A line that is not a number from 1 to --max-n gets one line that "
     "begins with \"error: \". The connection stays open for the next "
     "request."),
    (r"a byte at a time", "One recv() may return half a request, or a single "
     "byte. Store the bytes until you have a whole line. When the client has "
     "shut down its sending side, answer its last line even if it has no \\n. "
     "See bytes-are-not-lines."),
    (r"pipelined requests are answered",
     "One recv() may return several requests. The server must answer each "
     "of them, in order. Before it waits in recv() for more, it must have "
     "answered all requests in its buffer."),
    (r"a line of 8 MB( gets one error)?$|^after a long line",
     "The server must skip a line of more than 100 bytes to its end, and "
     "answer it with one error. The next line is a request again."),
    (r"takes no memory",
     "The memory of the server grew with what the client sent, so one client "
     "can use up all memory. Give each client a buffer of fixed size. While a "
     "client does not read its replies, do not read from it either."),
    (r"a last request without a newline",
     "The server did not accept what the client sent."),
    (r"^after a half-close", "A client may shut down its sending side and "
     "wait. The server must send all replies, also the one to a last line "
     "without \\n, and then close the connection. Does another process or "
     "thread still have the connection open? See two-closes in "
     "servers/fork.c."),
    (r"^a client that sends no request", "If a client closes its connection "
     "without a request, the server must send nothing and close its side, "
     "too."),
    (r"clients that connect at once",
     "All these clients connect before the server answers the first one. "
     "It must answer each of them. Is the backlog of listen() large "
     "enough? Does the server lose a client if accept() is called late?"),
    (r"^--framing http",
     "With --framing http a request is a GET of /N, and the reply has a "
     "header. HTTP/1.1 says when the connection stays open."),
    (r"^--framing recv", "With --framing recv the "
     "bytes of one recv() are one request, which needs no newline."),
    (r"^--max-n", "--max-n N is the largest n that the server computes. A "
     "larger one gets an error."),

    # hostile
    (r"reset their connection|resets it while|close before their",
     "A client that resets its connection ends its own conversation only. Then "
     "recv() and send() fail with ECONNRESET or EPIPE, and SIGPIPE must not "
     "kill the server (MSG_NOSIGNAL)."),
    (r"^beside an idle client", "While one client is idle, the server serves "
     "no other client. See one-waits-all-wait."),
    (r"^behind an idle client|^when the idle client leaves",
     "A blocking server serves one client after the other: it must serve "
     "the second client, but only after the first one has left."),
    (r"never reads, the server stops reading", "The server still reads "
     "requests from a client that does not read its replies, so the replies "
     "take more and more memory. Send all replies before you call recv() "
     "again."),
    (r"^beside a client that never reads", "While one client does not read its "
     "replies, the server must serve the others: a send() that waits for one "
     "client must not delay all."),
    (r"reads at last", "The server must answer all requests that it "
     "has read, even if the client reads slowly. send() may send only a part: "
     "send the rest later. See partial-writes."),
    (r"^after such a client", "After a client that reads slowly, the "
     "server must serve the next one."),
    (r"never reads, and vanishes", "A client that leaves without reading its "
     "replies must neither block nor end the server."),
    (r"send garbage", "A client may send any bytes, also NUL. No bytes may end "
     "the server."),

    # limits
    (r"its log is", "Its log messages must neither stop the server nor reach a "
     "client. Standard error may be a pipe without a reader, closed, or a file "
     "on a full disk. Do not block in write(), ignore its errors, and if "
     "descriptor 2 is closed, open something as standard error before you "
     "accept clients."),
    (r"while full, it does not spin|^exhausting, spins:",
     "accept(), fork() or a similar call fails because a table is full, and "
     "the server tries again without a pause. Wait for 100 ms between two "
     "attempts: see out-of-descriptors."),
    (r"clients are served in the end|^exhausting, never:",
     "While a table is full, the clients wait in the kernel's accept queue. "
     "The server must disconnect none of them, and serve each once the table "
     "has a free entry. Does it close the connection of each client that has "
     "left, and call accept() again?"),
    (r"runs until it is stopped", "A full table (of descriptors, processes or "
     "memory) must not end the server, and SIGTERM must still end it with "
     "status 0."),
    (r"at most one log line a second", "The server logs the same problem for "
     "every client. It may log it once a second."),
    (r"^--max-clients 5",
     "With --max-clients 5 the server serves five clients. A sixth one waits "
     "in the kernel's accept queue until one of them leaves. The server "
     "disconnects no client."),
    (r"connections, one after the other", "The server failed after many short "
     "connections, one after the other. Does each connection leave something "
     "behind, such as a descriptor or a process?"),
    (r"leave no descriptor", "After its clients have left, "
     "the server has more open descriptors than before: a close() is missing."),
    (r"leave no process", "The clients have left, but some of "
     "their processes remain. A dead process stays in the process table until "
     "its parent calls waitpid(): see zombies."),
    (r"leave no thread", "The clients have left, but some of their threads "
     "remain. Does each thread return, and is it detached or joined?"),
    (r"leave no memory",
     "The memory of the server grows with every connection: the server "
     "does not free all that it allocates for a client."),

    # waiting
    (r"beside a long request", "While the server computed a long fib() for one "
     "client, another client got no reply, although this model computes for "
     "several clients at the same time."),
    (r"wait for their backends together", "With --delay each request waits for "
     "a simulated backend. 60 requests must wait at the same time. Here they "
     "waited one after the other: a sleep in the server delays all clients. "
     "See deadline-instead-of-sleep and blocking-trap."),
    (r"backends one after the other", "A server of this model waits for one "
     "backend at a time. This one waited for several at once, or a reply was "
     "missing."),
    (r"no wakeup is spurious", "The server counts a wakeup that found no "
     "client, although no client had connected. A signal to stop must not "
     "count as a spurious wakeup."),
    (r"it uses no CPU time",
     "While no client sends anything, the server uses CPU time: a loop "
     "polls instead of waiting. If the figure is small, the reply to the "
     "request before was wrong."),
    (r"uses all of its share of a core", "A server of this model polls all "
     "clients in turn and never waits, so it uses CPU time even while no "
     "client sends anything. This one waits somewhere, or did not answer."),
    (r"^--idle-timeout.* only reads", "With --idle-timeout S the server must "
     "not close a connection whose client reads the replies to earlier "
     "requests, even if it sends nothing. Before you close it, check whether "
     "the client's kernel has acknowledged more bytes than S seconds ago: "
     "ioctl() with SIOCOUTQ, or tcpi_bytes_acked of TCP_INFO."),
    (r"^--idle-timeout",
     "With --idle-timeout S the server closes a connection whose client has "
     "made no progress for S seconds, also after half a request. It must not "
     "close one whose client waits for a reply (--delay) or still reads its "
     "replies."),

    # stopping
    (r"request in progress is answered|"
     r"waits for its backend is answered|waits for the request in progress",
     "If a request has arrived before SIGTERM or SIGINT, the server must "
     "answer it before it ends, even if it still computes the reply or "
     "waits for the backend."),
    (r"exit status 0 and a summary", "After a signal the server must exit with "
     "status 0, and its last line must have the right counts: \"name: stopped "
     "after 1 connections, 1 requests, 0 errors\"."),
    (r"requests that had arrived", "The server must answer all requests that "
     "had arrived before the signal, also those that are still in the socket's "
     "receive buffer. Read what is there (FIONREAD says how much), answer it, "
     "then close."),
    (r"^half of a request is not",
     "A line that had not arrived completely when the signal came must get "
     "no reply."),
    (r"^a last line without a newline", "If the client has shut down its "
     "sending side, its last line is a request even without \\n, also while "
     "the server stops."),
    (r"ask on and read slowly|^stopped under load",
     "A server that is stopping must accept no more requests, send all "
     "outstanding replies, and end, even if its clients read slowly."),
    (r"that arrive are right", "Under load some replies were wrong, or "
     "incomplete. Do several clients share a buffer?"),
    (r"replies arrive|it has counted arrive",
     "Some replies that the server counted did not arrive. If the receive "
     "buffer still has data, close() resets the connection and drops replies "
     "that were sent: see close-can-lose."),
    (r"it accepts no new client", "After the signal the server must accept no "
     "client. Close the listener, or shut it down, first."),
    (r"^idle clients do not delay", "A server that is stopping must not wait "
     "for idle clients: end their recv() with shutdown(). A thread that is "
     "blocked does not check a flag: see stop-without-a-race."),
    (r"that is full can be stopped", "With --max-clients clients, the server "
     "waits for a free slot, not in accept(). The signal must end this wait, "
     "too."),
    (r"^a stream of new clients", "While new clients keep connecting, the "
     "server does not stop. If a client is ready, ppoll() returns at once and "
     "a blocked signal stays pending. Let the signal in whether or not a "
     "client is ready."),
    (r"does not keep it running", "A client that keeps sending, or never "
     "reads, must not keep a stopping server running. Answer the requests that "
     "had arrived, and give up a client that makes no progress for 10 s."),
    (r"^a second signal ends", "A second SIGTERM "
     "must end the server at once, with all its processes. Restore the default "
     "action after the first signal."),
    (r"three signals at the same time", "Signals that come at almost the same "
     "time count as one request to stop: `timeout` and terminals signal a "
     "process, and then its whole group. Only a signal that comes more than "
     "200 ms later ends the server at once."),
    (r"^a signal to a child", "A signal to a child ends only its own "
     "conversation. The server and its other children continue."),
    (r"^SIGKILL ends it|no child is left|^SIG\w+, left:",
     "However the server dies, also while clients are connected, its children "
     "must die with it: see orphans (PR_SET_PDEATHSIG)."),
    (r"^a taken port", "If another program uses the port, the server must "
     "print one line that names the port on standard error, and exit with "
     "status 1."),
    (r"started again on the same port|^SIG\w+, port:",
     "When the server has ended, another one must be able to listen on the "
     "same port at once. Set SO_REUSEADDR on the listener, and do not let a "
     "child keep the listener open."),

    # owed
    (r"^with all slots taken", "Once accept() has returned a client, the "
     "server must answer it before it ends, also if this client had to wait "
     "for a slot or in a queue of the server."),
    (r"gets all replies it is owed|none of these as not delivered",
     "A client that reads slowly but steadily must get every reply, also while "
     "the server stops. Check whether its kernel has acknowledged more bytes "
     "since the last check."),
    (r"that has closed before its reply", "A client that has "
     "closed its socket cannot receive a reply: its kernel answers with a "
     "reset. The server must not wait for this client when it stops."),
    (r"what it could not deliver", "If a stopping server gives up a client "
     "that does not read, its last line must say so: \"...; N bytes of replies "
     "were not delivered\"."),
    (r"client that has reset its connection", "If the client has reset its "
     "connection (TCP_INFO says TCP_CLOSE), the server must not wait until its "
     "replies are acknowledged."),
    (r"a signal of another process", "The server uses a descriptor from a "
     "signal that another process has sent. Only if si_code is above 0 does "
     "the signal come from the kernel."),

    # command_line
    (r"bad command lines", "After a bad option the server must print one line "
     "that names the option on standard error, and exit with status 2."),
    (r"^--help", "--help must print all options on standard output, and exit "
     "with status 0."),
    (r"127.0.0.1 only$|^--host", "The server must listen on 127.0.0.1, which "
     "only this machine can reach, unless --host names another address."),

    # torture: "attack, problem: figures"
    (r"^\w+, dead:", "The whole server ended. An error on one connection "
     "(ECONNRESET, EPIPE, SIGPIPE) must end only its conversation. When a "
     "table is full, the server must wait and try again."),
    (r"^\w+, spins:", "The server has nothing to do, but uses CPU time: a loop "
     "polls instead of waiting. Does the server notice when a client has "
     "left?"),
    (r"^\w+, grows:", "The memory of the server grew with what hostile clients "
     "sent or did not read. Use buffers of fixed size. While a client does not "
     "read its replies, do not read from it either."),
    (r"^\w+, leaks:", "The hostile clients have left, but the server keeps "
     "what it had for them: a close(), free() or waitpid() is missing, or a "
     "thread does not end."),
    (r"^SIGTERM, cut:", "The request of a well-behaved client had arrived "
     "before SIGTERM, but the client got no reply. Answer the requests that "
     "have arrived, then close."),
    (r"^\w+, exit:", "On SIGTERM the server must finish its work and exit with "
     "status 0, also during and after an attack."),
    (r"^\w+, beside:", "The server serves other clients beside one that keeps "
     "it waiting. A server of this model cannot do so, so yours is of another "
     "model. Name that one with MODEL."),
    (r"^\w+, (waits|never|cut):", "The victim is a well-behaved client that "
     "sends requests during the attack. Its reply came too late or never: one "
     "client must not delay the others. See one-waits-all-wait, and "
     "partial-writes for clients that do not read."),
    (r"^bursting, lost:", "Many clients connect at once. Each must get its "
     "reply or be refused. The server accepted some of them and never "
     "answered."),
    (r"^churning, lost:", "Each request came on a connection of its own, which "
     "the client reset after the reply. Not every request got the right reply "
     "in time."),
    (r"^pipelining, lost:", "Of 10,000 requests that a client sent at once, "
     "some got no reply. send() may send only a part, and your buffer may "
     "still hold requests when recv() has no more."),
    (r"^\w+, lost:", "The server must serve a hostile client, too. It "
     "disconnected this one, or let it wait for more than 10 s."),
    (r"^\w+, (wrong|fails):", "The server failed before the attack. The first "
     "line that it prints must end in its port, and it must answer \"10\\n\" "
     "with \"fib: 55\\n\", even with 64 descriptors (exhausting)."),
)


def explained(check):
    """Returns what the failure of this check means, in a few sentences."""
    for pattern, meaning in EXPLANATIONS:
        if re.search(pattern, check):
            return meaning
    return ("Read what this check does in tests/conversation, where its name "
            "stands.")
