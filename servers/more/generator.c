// generator.c - functions that can be left and resumed, taking turns.
//
// Model     one thread; a function per client that pauses where it would wait
// Waits     in poll() only, for all clients at once
// Strength  reads almost like blocking code, and a paused client has no stack
// Weakness  only the function itself can pause, none that it calls
//
// What changed from poll.c: a step became a function that reads from top to
// bottom, as in Beazley's talk "Python Concurrency From the Ground Up". Next:
//     diff -u servers/more/generator.c servers/coroutine.c

#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../common/client.h"
#include "../common/report.h"
#include "../common/startup.h"
#include "../common/stop.h"

static struct options opt = {.model = "generator"};
static int listener, client_count;
static struct client *clients;  // client_count of them.
static struct pollfd *asked;    // For each what it has yielded; the listener.
static int64_t now_ns, accept_ns;  // This round; the next try of accept().

// LESSON stackless: all that is left of a paused function is the number of a
// line, and `case` jumps back there, into the middle of loops (Duff's device,
// 1983; so do Dunkels' protothreads). Local variables are gone by then, and no
// function that this one calls can pause: for that it would need a stack.
#define YIELD(c, events)                                                       \
    (c)->resume_at = __LINE__;                                                 \
    (c)->awaits = (events);                                                    \
    return true;                                                               \
    case __LINE__:

// Returns true to pause, and false when no further reply will come.
static bool serve_client(struct client *c)
{
    struct session *s = &c->session;
    switch (c->resume_at) {
    case 0:
        while (!session_answer(s)) {
            if (session_over(s))
                return false;
            YIELD(c, POLLIN);
            if (!client_receive(c))
                return false;
        }
        if (opt.delay_ms > 0) {
            c->due_ns = net_now_ns() + opt.delay_ms * (int64_t)NET_NS_PER_MS;
            YIELD(c, 0);
        }
        for (c->sent = 0; c->sent < s->reply_len;) {
            if (!client_send_reply(c))
                return false;
            if (c->blocked || session_pending(s)) {
                YIELD(c, POLLOUT);
            }
        }
    }
    c->resume_at = 0;
    return serve_client(c);  // As far as its next pause.
}

static void ask_about(int i)
{
    short events = clients[i].awaits;
    asked[i] = (struct pollfd){events != 0 ? clients[i].fd : -1, events, 0};
}

static bool can_go_on(int i)
{
    bool due = asked[i].events == 0 && clients[i].due_ns <= now_ns;
    return asked[i].revents != 0 || due;
}

static void accept_clients(void)
{
    int fd;
    while (client_count < opt.clients_max &&
           (fd = client_accept(listener, &accept_ns)) >= 0) {
        client_start(&clients[client_count], fd, &opt);
        ask_about(client_count++);
    }
}

static void end_client(int i)
{
    client_close(&clients[i]);
    clients[i] = clients[--client_count];
    asked[i] = asked[client_count];
}

// The whole scheduler: whoever can go on does, until it yields; then the next.
static void run_clients(void)
{
    for (int i = 0; i < client_count;) {
        if (can_go_on(i)) {
            if (!serve_client(&clients[i])) {
                end_client(i);
                continue;
            }
            ask_about(i);
        }
        i++;
    }
}

// Sleeps until somebody can go on. Returns true if somebody wants to connect.
static bool wait_for_clients(void)
{
    int64_t wake_ns =
        clients_next_ns(clients, client_count, &opt, now_ns, accept_ns);
    bool room = client_count < opt.clients_max && now_ns >= accept_ns;
    struct pollfd *door = &asked[client_count];
    *door = (struct pollfd){listener, room ? POLLIN : 0, 0};

    net_waited(poll(asked, (nfds_t)client_count + 1, net_ms_until(wake_ns)));
    now_ns = net_now_ns();
    return door->revents & POLLIN;
}

static void end_waits(void)
{
    shutdown(listener, SHUT_RDWR);  // poll() reports it, asked or not.
}

int main(int argc, char **argv)
{
    listener = startup(&opt, argc, argv);
    clients = calloc((size_t)opt.clients_max, sizeof *clients);
    asked = calloc((size_t)opt.clients_max + 1, sizeof *asked);
    if (clients == NULL || asked == NULL || net_set_nonblocking(listener) != 0)
        startup_failed("generator");
    startup_ready(listener, end_waits);
    while (!stop_requested()) {
        if (wait_for_clients())
            accept_clients();
        run_clients();
    }
    close(listener);
    clients_drain(clients, client_count, &opt);
    return report_summary();
}
