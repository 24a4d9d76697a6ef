// co_net.c - the waiting calls of net.h, for a coroutine: others run meanwhile.
//
// For what they guard against, see their twins in net.c.

#include "co_net.h"

#include <errno.h>
#include <sys/types.h>

#include "../coro/co.h"
#include "net.h"
#include "report.h"
#include "stop.h"

int co_net_accept(int listener)
{
    int client;
    while ((client = co_accept(listener)) < 0 && !stop_requested())
        if (!co_retry_later("accept"))
            break;
    return client;
}

bool co_retry_later(const char *what)
{
    report_shortage(what);
    co_sleep(NET_RETRY_MS);
    return !stop_requested();
}

// Sends some of it. Returns how much, which is 0 after NET_STALL_MS without any
// progress, or -1.
static ssize_t send_some(int client, const char *data, size_t len)
{
    ssize_t put = co_send(client, data, len);
    if (put < 0 && errno == ETIMEDOUT)
        put = net_send(client, data, len, 0);
    return put < 0 && net_would_block() ? 0 : put;
}

int co_send_all(int client, const void *buf, size_t len)
{
    int limit_ms = co_limit_waits(NET_STALL_MS);
    size_t sent = 0;
    while (sent < len) {
        ssize_t put = send_some(client, (const char *)buf + sent, len - sent);
        if (put < 0 || (put == 0 && stop_requested()))
            break;
        sent += (size_t)put;
    }
    co_limit_waits(limit_ms);
    return sent == len ? 0 : -1;
}

struct answer {
    struct session *session;
    bool complete;
};

static void compute(void *arg)
{
    struct answer *answer = arg;
    answer->complete = session_answer(answer->session);
}

bool co_answer_elsewhere(struct session *s)
{
    struct answer answer = {.session = s};
    if (s->begin == s->end || co_offload(compute, &answer) != 0)
        return session_answer(s);
    return answer.complete;
}

void co_hang_up(int client)
{
    struct net_progress progress = {0};
    while (net_lingers(client, &progress))
        co_sleep(NET_LINGER_MS);
    co_close(client);
}
