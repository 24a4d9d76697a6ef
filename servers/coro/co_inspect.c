// co_inspect.c - a coroutine that reports what each of the others waits for.
//
// This coroutine, the inspector, waits for clients on a UNIX socket. Try it:
//
//     nc -U PATH
//
// For each client, it checks all stacks of its thread for coroutines. The
// runtime has no list of all coroutines, because it would make the start and
// the end of each coroutine slower. No function here blocks the thread: while
// the inspector sends, other coroutines run.

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "co.h"
#include "co_internal.h"
#include "co_stack.h"

enum {
    NS_PER_MS = 1000000,
    BACKLOG = 16,
    BACKOFF_MS = 100,
    SEND_TIMEOUT_MS = 1000,  // for a client that does not read
    NAME_MAX_LEN = 100,
    LINE_MAX_LEN = 400,
    TEXT_SIZE = 8192,
    AT_ONCE = 64,  // stacks checked before other coroutines run
};

// The part of an answer that was not sent yet. It is allocated on the heap,
// because it is too big for the stack of a coroutine.
struct answer {
    int client;
    size_t len;
    char text[TEXT_SIZE];
};

static _Thread_local struct co *inspector;        // NULL: none
static _Thread_local struct sockaddr_un address;  // of its socket

// ---- One line

// Returns what `c` waits for, as co.h lists it at co_inspect(). Sets `fd` to
// the descriptor that `c` waits for, or to -1.
static const char *awaited(const struct co *c, int *fd)
{
    uint32_t event;
    enum co_state state = co_state(c);
    *fd = -1;
    if (state == CO_PARKED)
        return "wake-up";
    if (state == CO_UNINTERRUPTIBLE)
        return "thread or group";
    if (state == CO_RUNNING && c->innermost != NULL)
        return "resumed coroutine";
    if (state != CO_WAITING)
        return "nothing";
    if ((*fd = co_awaited_fd(c, &event)) >= 0)
        return event == EPOLLIN ? "read" : "write";
    if (c->queue != NULL)
        return "semaphore";
    return c->timer != 0 ? "time" : "group or cancellation";
}

// Copies a name into a JSON string. Replaces by '?' the characters that JSON
// must escape (quotes, backslashes, control characters) and all that are not
// ASCII.
static void copy_name(char copy[NAME_MAX_LEN + 1], const char *name)
{
    size_t len = 0;
    for (; name[len] != '\0' && len < NAME_MAX_LEN; len++) {
        char at = name[len];
        bool plain = at >= ' ' && at <= '~' && at != '"' && at != '\\';
        copy[len] = '?';
        if (plain)
            copy[len] = at;
    }
    copy[len] = '\0';
}

// Returns in how many milliseconds the wait of `c` ends at the latest; -1: no
// limit.
static int64_t due_ms(const struct co *c)
{
    int64_t due_ns = co_due_ns(c), now_ns = co_now_ns();
    if (due_ns == CO_NEVER)
        return -1;
    return due_ns > now_ns ? (due_ns - now_ns) / NS_PER_MS : 0;
}

// Appends the line about `c`, in the format that co.h shows at co_inspect().
static void append_line(struct answer *a, const struct co *c)
{
    static const char *const states[] = {"running",         "new",    "yielded",
                                         "ready",           "parked", "waiting",
                                         "uninterruptible", "done"};
    char name[NAME_MAX_LEN + 1];
    int fd;
    const char *event = awaited(c, &fd);
    copy_name(name, c->name != NULL ? c->name : "");
    a->len += (size_t)snprintf(a->text + a->len, sizeof a->text - a->len,
                               "{\"name\": \"%s\", \"state\": \"%s\", "
                               "\"waits_for\": \"%s\", \"fd\": %d,"
                               " \"due_ms\": %" PRId64
                               ", \"stack_used\": %zu, \"stack_size\": %zu}\n",
                               name, states[co_state(c)], event, fd, due_ms(c),
                               co_stack_used(c), c->stack.size);
}

// ---- An answer

// Sends the lines that were appended so far, and removes them from the answer.
static int send_text(struct answer *a)
{
    size_t len = a->len;
    a->len = 0;
    return co_send_all(a->client, a->text, len);
}

// Sends a line for each coroutine, by going through all stacks. A coroutine
// never changes its stack, so none is listed twice. But a coroutine that starts
// or ends in the meantime may be missing.
static void describe_all(struct answer *a)
{
    for (size_t at = 0; at < co_stack_count(); at++) {
        const struct co *c = co_at(at);
        if (c != NULL)
            append_line(a, c);
        if (a->len > sizeof a->text - LINE_MAX_LEN && send_text(a) != 0)
            return;
        if (at % AT_ONCE == AT_ONCE - 1)
            co_reschedule();
    }
    send_text(a);
}

static void serve(int client)
{
    struct answer *a = calloc(1, sizeof *a);
    if (a != NULL) {
        a->client = client;
        a->len = 0;
        co_limit_waits(SEND_TIMEOUT_MS);
        describe_all(a);
        co_limit_waits(-1);
        free(a);
    }
    co_close(client);
}

// ---- The socket

static int open_socket(void)
{
    return socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}

// Returns true if the file at the address is a socket on which no program
// listens: the program that created it has ended.
static bool is_left_over(void)
{
    struct stat status;
    if (lstat(address.sun_path, &status) != 0 || !S_ISSOCK(status.st_mode))
        return false;
    int fd = open_socket();
    if (fd < 0)
        return false;
    bool refused =
        connect(fd, (const struct sockaddr *)&address, sizeof address) != 0 &&
        errno == ECONNREFUSED;
    close(fd);
    return refused;
}

// Opens the socket at `path`, and stores its address. Replaces a socket that is
// left over. Returns a descriptor, or -1 with errno set.
static int listen_on(const char *path)
{
    size_t len = strlen(path);
    if (len >= sizeof address.sun_path)
        return co_fail(ENAMETOOLONG);
    if (len == 0)
        return co_fail(ENOENT);
    address = (struct sockaddr_un){.sun_family = AF_UNIX};
    memcpy(address.sun_path, path, len);
    int fd = open_socket();
    if (fd < 0)
        return -1;
    if (is_left_over())
        unlink(path);
    if (bind(fd, (const struct sockaddr *)&address, sizeof address) == 0 &&
        listen(fd, BACKLOG) == 0)
        return fd;
    int error = errno;
    close(fd);
    return co_fail(error);
}

// Is the main function of the inspector: serves one client after another, until
// the inspector is cancelled. Then both co_accept() and co_sleep() fail.
static void *inspect(void *arg)
{
    int client, listener = (int)(intptr_t)arg;
    co_set_name("inspector");
    while ((client = co_accept(listener)) >= 0 || co_sleep(BACKOFF_MS) == 0)
        if (client >= 0)
            serve(client);
    co_close(listener);
    unlink(address.sun_path);
    inspector = NULL;
    return co_finish();
}

int co_inspect(const char *path)
{
    if (inspector != NULL)
        return co_fail(EBUSY);
    int listener = listen_on(path);
    if (listener < 0)
        return -1;
    inspector = co_start(inspect, (void *)(intptr_t)listener);
    if (inspector == NULL) {
        close(listener);
        unlink(path);
        return co_fail(ENOMEM);
    }
    return 0;
}

void co_inspect_end(void)
{
    if (inspector != NULL)
        co_cancel(inspector);
}
