// blocking.c - one client at a time.
//
// Model     one process, one thread, blocking calls
// Waits     in accept() for a client, then in recv() for that client alone
// Strength  nothing to get wrong: nothing is shared, nothing is scheduled
// Weakness  while one client is served, even a silent one, all others queue
//
// Read this file first; every other server is a small change to it. Next:
//     diff -u servers/blocking.c servers/fork.c

#include <signal.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/net.h"
#include "common/report.h"
#include "common/startup.h"
#include "common/stop.h"

static struct options opt = {.model = "blocking"};
static int listener;
static volatile sig_atomic_t current = -1;  // The client being served.

// Receives until the client has completed a request and `s` holds the reply.
// Returns false when no further reply will come. Once the server is stopping,
// only what has arrived already is taken.
static bool next_reply(int client, struct session *s)
{
    while (!session_answer(s)) {
        if (session_over(s))
            return false;
        ssize_t got = net_recv(client, session_space(s), session_room(s));
        if (got < 0)
            return false;  // It broke, or was silent for too long.
        if (stop_requested() && !net_half_closed(client))
            session_finish(s, (size_t)got + net_unread(client));
        session_received(s, (size_t)got);
    }
    return true;
}

static void serve_client(int client)
{
    struct session s;
    session_start(&s, &opt.rules);

    while (next_reply(client, &s)) {
        net_backend(opt.delay_ms);
        if (net_send_all(client, s.reply, s.reply_len) != 0)
            break;  // The client will take no more replies.
    }
    report_session(&s);
}

// LESSON stop-without-a-race: a flag alone would miss a signal that lands just
// before accept() or recv(), and the call would then sleep on. A shut socket
// stays shut: it ends the wait of the call that sleeps, and of every later one.
// recv() still returns what has arrived, and only then 0.
static void end_waits(void)
{
    shutdown(listener, SHUT_RDWR);
    shutdown(current, SHUT_RD);  // No client, -1: fails, and does no harm.
}

int main(int argc, char **argv)
{
    listener = startup(&opt, argc, argv);
    startup_ready(listener, end_waits);

    while ((current = net_accept(listener)) >= 0) {
        if (stop_requested())
            end_waits();  // The signal came before `current` was set.

        // LESSON one-waits-all-wait: recv() in there sleeps until THIS client
        // speaks, and nobody is in accept() meanwhile: one silent client stops
        // the service. Try it: connect twice, type only into the second.
        serve_client(current);
        net_hang_up(current);
    }
    return report_summary();
}
