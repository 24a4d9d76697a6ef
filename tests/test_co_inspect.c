// test_co_inspect.c - tests the inspector, which says what each coroutine waits
// for.

#include <fcntl.h>
#include <semaphore.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "co_test.h"
#include "virtual_clock.h"

enum { TEXT_SIZE = 1 << 20, LONG_MS = 60000, DEADLINE_MS = 5000 };

#ifdef SANITIZED
enum { MANY = 300 };
#else
enum { MANY = 5000 };
#endif

static char folder[] = "/tmp/co inspect XXXXXX";  // with spaces
static char path[64];
static char text[TEXT_SIZE];  // the last answer of the inspector

// ---- A client of the inspector

// Connects to the inspector. Returns the descriptor, or -1.
static int connect_client(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    strncpy(address.sun_path, path, sizeof address.sun_path - 1);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (co_connect(fd, (struct sockaddr *)&address, sizeof address) == 0)
        return fd;
    co_close(fd);
    return -1;
}

// Reads an answer of the inspector into `text`. Returns how many lines it has.
static int inspect(void)
{
    size_t len = 0;
    ssize_t n = 0;
    int lines = 0, fd = connect_client();
    while (fd >= 0 && (n = co_recv(fd, text + len, TEXT_SIZE - 1 - len)) > 0)
        len += (size_t)n;
    text[len] = '\0';
    co_close(fd);
    for (const char *at = text; (at = strchr(at, '\n')) != NULL; at++)
        lines++;
    return lines;
}

// Returns how many lines of the answer begin with `begin`.
static int count_of(const char *begin)
{
    int count = 0;
    const char *line = text;
    while (line != NULL) {
        count += strncmp(line, begin, strlen(begin)) == 0;
        line = strchr(line, '\n');
        line = line != NULL ? line + 1 : NULL;
    }
    return count;
}

// Checks that the answer has exactly one line with these values.
static void check_line(const char *name, const char *state,
                       const char *waits_for, int fd, int due_ms)
{
    char line[256];
    snprintf(line, sizeof line,
             "{\"name\": \"%s\", \"state\": \"%s\", \"waits_for\": \"%s\", "
             "\"fd\": %d, \"due_ms\": %d, \"stack_used\": ",
             name, state, waits_for, fd, due_ms);
    bool once = count_of(line) == 1;
    if (!once)
        printf("# expected %s\n# in %s\n", line, text);
    ok(once, "'%s' is %s and waits for %s", name, state, waits_for);
}

// ---- Coroutines in each state, until they are cancelled

static struct co *all[16];
static int all_count;
static struct co_sem none;
static struct co_group group;
static sem_t job_may_end;
static int full[2];  // connected sockets; the second is never read

static void begin(const char *name)
{
    co_set_name(name);
    all[all_count++] = co_self();
}

static void park(void *name)
{
    begin(name);
    co_park();
}

static void receive(void *name)
{
    char byte;
    begin(name);
    co_recv(ends[0], &byte, 1);
}

static void receive_until_deadline(void *name)
{
    char byte;
    begin(name);
    co_set_deadline(DEADLINE_MS);
    co_recv(full[0], &byte, 1);
}

static void send_to_full(void *name)
{
    static char bytes[1 << 16];
    begin(name);
    while (co_send(full[0], bytes, sizeof bytes) > 0)
        continue;
}

static void wait_for_sem(void *name)
{
    begin(name);
    co_sem_wait(&none);
}

static void sleep_long(void *name)
{
    begin(name);
    co_sleep(LONG_MS);
}

static int wait_as_member(void *name)
{
    begin(name);
    return co_sleep(-1);
}

static void join(void *name)
{
    begin(name);
    co_group_go(&group, wait_as_member, (void *)(uintptr_t) "member");
    co_group_join(&group);
}

static void block(void *arg)
{
    (void)arg;
    while (sem_wait(&job_may_end) != 0)
        continue;
}

static void offload(void *name)
{
    begin(name);
    co_offload(block, NULL);
}

static void *yield_then_sleep(void *name)
{
    co_set_name(name);
    co_yield_value(NULL);
    co_sleep(-1);
    return NULL;
}

static void resume(void *name)
{
    struct co *c = co_new(yield_then_sleep, (void *)(uintptr_t) "resumed");
    begin(name);
    co_resume(c, NULL);
    co_resume(c, NULL);
    co_free(c);
}

static void keep_generators(void *name)
{
    struct co *fresh = co_new(yield_then_sleep, NULL);
    struct co *used = co_new(yield_then_sleep, (void *)(uintptr_t) "generator");
    begin(name);
    co_resume(used, NULL);
    co_park();
    co_free(used);
    co_free(fresh);
}

static void check_answer(void)
{
    ok(inspect() == 16, "an answer has a line for each coroutine");
    check_line("parks", "parked", "wake-up", -1, -1);
    check_line("receives", "waiting", "read", ends[0], -1);
    check_line("has a deadline", "waiting", "read", full[0], DEADLINE_MS);
    check_line("sends", "waiting", "write", full[0], -1);
    check_line("waits", "waiting", "semaphore", -1, -1);
    check_line("sleeps", "waiting", "time", -1, LONG_MS);
    check_line("joins", "waiting", "group or cancellation", -1, -1);
    check_line("member", "waiting", "group or cancellation", -1, -1);
    check_line("offloads", "uninterruptible", "thread or group", -1, -1);
    check_line("resumes", "running", "resumed coroutine", -1, -1);
    check_line("generator", "yielded", "nothing", -1, -1);
    check_line("", "new", "nothing", -1, -1);
    check_line("?keeps???them?", "parked", "wake-up", -1, -1);
    check_line("inspector", "running", "nothing", -1, -1);
}

static void inspect_all(void *arg)
{
    (void)arg;
    for (int i = 0; i < 100; i++)
        co_reschedule();  // Until each has reached its wait.
    check_answer();
    for (int i = 0; i < all_count; i++)
        co_cancel(all[i]);
    sem_post(&job_may_end);
    co_inspect_end();
}

static void test_states(void)
{
    make_pair();
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, full) != 0)
        ok(false, "socketpair: %s", strerror(errno));
    sem_init(&job_may_end, 0, 0);
    go(park, "parks");
    go(receive, "receives");
    go(receive_until_deadline, "has a deadline");
    go(send_to_full, "sends");
    go(wait_for_sem, "waits");
    go(sleep_long, "sleeps");
    go(join, "joins");
    go(offload, "offloads");
    go(resume, "resumes");
    go(keep_generators, "\"keeps\"\n\\them\"");
    ok(co_inspect(path) == 0, "a thread can have an inspector");
    ok(co_inspect(path) == -1 && errno == EBUSY,
       "a thread can have only one inspector");
    co_go(inspect_all, NULL);
    ok(co_run() == 0, "co_run() returns when the inspector has ended, too");
    struct stat status;
    ok(stat(path, &status) != 0 && errno == ENOENT,
       "the inspector removes its socket");
    close_pair();
    co_close(full[0]);
    co_close(full[1]);
}

// ---- Many coroutines, and clients that do not read

static int done_count;

static void wait_in_crowd(void *arg)
{
    co_set_name(arg);
    co_sem_wait(&none);
    done_count++;
}

static void inspect_crowd(void *arg)
{
    (void)arg;
    int silent = connect_client();
    int lines = inspect();
    bool each_once = count_of("{\"name\": \"one of many\", ") == MANY;
    ok(silent >= 0 && lines == MANY + 2 && each_once,
       "each of %d coroutines is listed once, beside a client that reads none",
       MANY);
    co_close(silent);
    for (int i = 0; i < MANY; i++)
        co_sem_post(&none);
    co_inspect_end();
}

static void count_after_crowd(void *arg)
{
    (void)arg;
    ok(inspect() == 2, "coroutines that have ended are not listed");
    int sleeps = clock_sleeps();
    co_sleep(LONG_MS);
    ok(clock_sleeps() == sleeps + 1,
       "after its answer, the inspector lets the loop sleep");
    co_inspect_end();
}

static void test_many(void)
{
    none = (struct co_sem){0};
    for (int i = 0; i < MANY; i++)
        go(wait_in_crowd, "one of many");
    co_inspect(path);
    co_go(inspect_crowd, NULL);
    ok(co_run() == 0 && done_count == MANY, "all coroutines end");
    co_inspect(path);
    co_go(count_after_crowd, NULL);
    co_run();
}

// ---- The socket

static bool fails_with(const char *at, int error)
{
    errno = 0;
    return co_inspect(at) == -1 && errno == error;
}

// Listens at `path` like another program. Returns the descriptor.
static int listen_at_path(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    strncpy(address.sun_path, path, sizeof address.sun_path - 1);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    if (bind(fd, (struct sockaddr *)&address, sizeof address) != 0 ||
        listen(fd, 1) != 0)
        ok(false, "bind, listen: %s", strerror(errno));
    return fd;
}

static void inspect_once(void *arg)
{
    (void)arg;
    ok(inspect() == 2, "a socket that a program has left is replaced");
    co_inspect_end();
}

static void test_socket(void)
{
    char long_path[200];
    struct stat status;
    memset(long_path, 'x', sizeof long_path - 1);
    long_path[sizeof long_path - 1] = '\0';
    ok(fails_with(long_path, ENAMETOOLONG),
       "a path that is too long is refused");
    ok(fails_with("", ENOENT), "an empty path is refused");
    ok(fails_with("/nonexistent/socket", ENOENT),
       "a path in a missing folder is refused");
    int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    close(fd);
    ok(fails_with(path, EADDRINUSE) && stat(path, &status) == 0 &&
           S_ISREG(status.st_mode),
       "a file that is no socket is not replaced");
    unlink(path);
    fd = listen_at_path();
    ok(fails_with(path, EADDRINUSE),
       "the socket of a running program is not replaced");
    close(fd);  // As if that program had ended.
    co_inspect(path);
    co_go(inspect_once, NULL);
    co_run();
}

int main(void)
{
    alarm(TAP_HANG_S);
    if (mkdtemp(folder) == NULL)
        ok(false, "mkdtemp: %s", strerror(errno));
    snprintf(path, sizeof path, "%s/a socket", folder);
    clock_virtual(true);
    test_states();
    test_many();
    test_socket();
    rmdir(folder);
    return done_testing();
}
