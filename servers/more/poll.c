// poll.c - one thread asks the kernel about all clients at once, and sleeps.
//
// Model     one thread, non-blocking calls, for those who can go on
// Waits     in poll() only, for all clients at once
// Strength  sleeps while nobody talks, and every Unix has it
// Weakness  the kernel and we look through the whole list, every time
//
// What changed from nonblocking.c: step() and what it needs are the same, in
// common/client.c; but first we ask who can make a step, and sleep. Next:
//     diff -u servers/more/poll.c servers/more/callback.c

#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../common/client.h"
#include "../common/net.h"
#include "../common/report.h"
#include "../common/startup.h"
#include "../common/stop.h"

static struct options opt = {.model = "poll"};
static int listener;
static struct client *clients;  // client_count of them.
static struct pollfd *asked;    // For each what it needs; and the listener.
static int client_count;
static int64_t now_ns;     // When this round began.
static int64_t accept_ns;  // When accept() is worth a try.

static void ask_about(int i)
{
    short events = client_needs(&clients[i], now_ns);
    // LESSON not-asked: the end of a connection is reported also to those who
    // ask for nothing, at once and every time. Below 0: not even that.
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

// Whoever is finished is replaced by the last client: order is free.
static void end_client(int i)
{
    client_close(&clients[i]);
    clients[i] = clients[--client_count];
    asked[i] = asked[client_count];
}

// One round, for those who can go on.
static void step_clients(void)
{
    for (int i = 0; i < client_count;) {
        if (can_go_on(i)) {
            if (!client_step(&clients[i], &opt, now_ns)) {
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

    // LESSON the-whole-list: both we and the kernel look at every client, those
    // that never speak too. Try it: fibload -c 10, with --idle 10000 and
    // without.
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
        startup_failed("poll");
    startup_ready(listener, end_waits);

    while (!stop_requested()) {
        if (wait_for_clients())
            accept_clients();
        step_clients();
    }
    close(listener);
    clients_drain(clients, client_count, &opt);
    return report_summary();
}
