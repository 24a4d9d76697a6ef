// co_ends.c - the socket pairs of the actors, and which bytes must arrive.

#include "co_ends.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "co_input.h"
#include "fuzz.h"

struct end ends[ENDS];

static const int types[PAIRS] = {SOCK_STREAM, SOCK_STREAM, SOCK_DGRAM,
                                 SOCK_SEQPACKET};

static bool is_stream(const struct end *e)
{
    return types[(e - ends) / 2] == SOCK_STREAM;
}

struct end *peer_of(const struct end *e)
{
    return &ends[(e - ends) ^ 1];
}

static struct end *end_of(int fd)
{
    for (int i = 0; i < ENDS; i++)
        if (ends[i].fd == fd)
            return &ends[i];
    return NULL;
}

void ends_begin(void)
{
    for (int i = 0; i < ENDS; i++)
        ends[i].fd = -1;
}

void ends_close(void)
{
    for (int i = 0; i < ENDS; i++)
        if (ends[i].fd >= 0)
            close(ends[i].fd);
}

void open_pair(int pair)
{
    int fds[2];
    const int least = 1;  // The kernel raises this to its minimum.
    MUST(socketpair(AF_UNIX, types[pair] | SOCK_NONBLOCK, 0, fds) == 0);
    for (int i = 0; i < 2; i++) {
        ends[2 * pair + i] = (struct end){.fd = fds[i]};
        setsockopt(fds[i], SOL_SOCKET, SO_SNDBUF, &least, sizeof least);
    }
}

struct end *any_end(void)
{
    int at = (int)next_byte() % ENDS;
    if (ends[at].fd < 0)
        open_pair(at / 2);
    return &ends[at];
}

// Notes that `len` bytes were sent to `to`, which has not received them yet.
static void add_message(struct end *to, int len)
{
    bool joins = is_stream(to) && to->message_count > 0;
    if (!joins) {
        MUST(to->message_count < MESSAGES_MAX);
        to->message_lens[to->message_count++] = 0;
    }
    to->message_lens[to->message_count - 1] += len;
}

static void remove_message(struct end *e, int len)
{
    e->next_received = (uint8_t)(e->next_received + len);
    e->message_lens[0] -= len;
    if (e->message_lens[0] > 0)
        return;
    e->message_count--;
    memmove(e->message_lens, e->message_lens + 1,
            (size_t)e->message_count * sizeof e->message_lens[0]);
}

// Checks `len` bytes that `e` has received, in a call that asked for `size`.
static void check_bytes(struct end *e, const uint8_t *bytes, int len, int size)
{
    if (len == 0) {
        MUST(e->finished && e->message_count == 0);
        return;
    }
    MUST(e->message_count > 0);
    int expected = e->message_lens[0];
    for (int i = 0; i < len; i++)
        MUST(bytes[i] == (uint8_t)(e->next_received + i));
    if (is_stream(e)) {
        MUST(len <= expected);
        remove_message(e, len);
    } else {
        MUST(len == (expected < size ? expected : size));
        remove_message(e, expected);  // The kernel discards the rest.
    }
}

void check_received(int fd, const void *bytes, ssize_t n, size_t size)
{
    struct end *e = end_of(fd);
    MUST(e != NULL);
    if (n >= 0)
        check_bytes(e, bytes, (int)n, (int)size);
}

void note_sent(int fd, ssize_t n)
{
    struct end *e = end_of(fd);
    MUST(e != NULL);
    if (n <= 0)
        return;
    add_message(peer_of(e), (int)n);
    e->next_sent = (uint8_t)(e->next_sent + n);
}
