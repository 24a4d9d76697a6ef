// select.c - one thread asks about all clients at once, by sets of bits.
//
// Model     one thread, non-blocking calls, for those who can go on
// Waits     in select() only, for all clients at once
// Strength  the oldest way to wait for many, and known everywhere
// Weakness  a wall: no descriptor from 1,024 up, on no machine
//
// What changed from nonblocking.c: step() and what it needs are the same, in
// common/client.c; but first we ask who can make a step, and sleep. Next:
//     diff -u servers/more/select.c servers/more/poll.c

#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../common/client.h"
#include "../common/net.h"
#include "../common/report.h"
#include "../common/startup.h"
#include "../common/stop.h"

static struct options opt = {.model = "select"};
static int listener, highest, wake_up[2];
static struct client *clients;     // client_count of them.
static fd_set to_read, to_write;   // About whom we ask.
static fd_set readable, writable;  // What select() has answered.
static int client_count;
static int64_t now_ns;     // When this round began.
static int64_t accept_ns;  // When accept() is worth a try.

static void ask_about(int i)
{
    int fd = clients[i].fd;
    short events = client_needs(&clients[i], now_ns);
    FD_CLR(fd, &to_read);
    FD_CLR(fd, &to_write);
    if (events != 0)
        FD_SET(fd, events == POLLIN ? &to_read : &to_write);
    highest = fd > highest ? fd : highest;
}

static bool can_go_on(int i)
{
    int fd = clients[i].fd;
    bool due = !FD_ISSET(fd, &to_read) && !FD_ISSET(fd, &to_write) &&
               clients[i].due_ns <= now_ns;
    return FD_ISSET(fd, &readable) || FD_ISSET(fd, &writable) || due;
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
    FD_CLR(clients[i].fd, &to_read);
    FD_CLR(clients[i].fd, &to_write);
    client_close(&clients[i]);
    clients[i] = clients[--client_count];
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
    int ms = net_ms_until(wake_ns);
    struct timeval timeout = {ms / NET_MS_PER_S, ms % NET_MS_PER_S * 1000L};
    readable = to_read;
    writable = to_write;
    FD_SET(wake_up[0], &readable);
    if (client_count < opt.clients_max && now_ns >= accept_ns)
        FD_SET(listener, &readable);
    net_waited(select(highest + 1, &readable, &writable, NULL,
                      ms < 0 ? NULL : &timeout));
    now_ns = net_now_ns();
    return FD_ISSET(listener, &readable);
}

// LESSON self-pipe: what a signal handler writes into a pipe stays there and
// ends the wait, this one or the next, also when we do not ask for clients.
static void end_waits(void)
{
    (void)!write(wake_up[1], "", 1);
}

// LESSON the-wall: a set has FD_SETSIZE bits, and FD_SET() beyond them writes
// over whatever comes next. So we must never get such a descriptor.
static void stop_at_the_wall(void)
{
    int room = 0;
    for (int fd = 0; fd < FD_SETSIZE; fd++)
        room += fcntl(fd, F_GETFD) < 0;
    if (opt.clients_max <= room)
        return;
    opt.clients_max = room;
    report_log("serving at most %d clients at once: %d descriptors are the "
               "wall of select()",
               room, FD_SETSIZE);
}

int main(int argc, char **argv)
{
    listener = startup(&opt, argc, argv);
    net_limit_descriptors(FD_SETSIZE);
    if (pipe(wake_up) != 0 || net_set_nonblocking(listener) != 0)
        startup_failed("select");
    highest = wake_up[1];
    stop_at_the_wall();
    clients = calloc((size_t)opt.clients_max, sizeof *clients);
    if (clients == NULL)
        startup_failed("select");
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
