"""What the servers in Python share: fib(), the replies, the listener."""

import socket
import sys

BACKLOG = 4096
LINE_LEN_MAX = 100
N_MAX = 45


def fib(n):
    return n if n < 2 else fib(n - 1) + fib(n - 2)


def reply(line):
    """Returns the reply to a line. Computes, so other clients wait."""
    text = line.strip(b" \t\r\n")
    if len(line) <= LINE_LEN_MAX and text.isdigit() and 1 <= int(text) <= N_MAX:
        return b"fib: %d\n" % fib(int(text))
    return b"error: want 1 to %d\n" % N_MAX


def listen(name):
    """Returns a listener on the port of --port, and prints its address."""
    port = 9999
    if "--port" in sys.argv:
        port = int(sys.argv[sys.argv.index("--port") + 1])
    listener = socket.create_server(("127.0.0.1", port), backlog=BACKLOG)
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    print(f"{name}: listening on 127.0.0.1:{listener.getsockname()[1]}",
          flush=True)
    return listener
