// server.c - a server under test: started, watched and stopped.

#include "server.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../tap.h"
#include "peer.h"

enum {
    PATIENCE_S = 120,
    PATIENCE_S_MAX = 24 * 3600,
    CONNECT_AFTER_MS = 20000,
    ARGUMENTS_MAX = 64,
    ANOTHER_USER = 30000,
    USERS = 32768,  // the usual number of process ids
};

int setting(const char *variable, int initial, int max)
{
    char *end;
    const char *text = getenv(variable);
    if (text == NULL)
        return initial;
    long value = strtol(text, &end, 10);
    if (end != text && *end == '\0' && value >= 1 && value <= max)
        return (int)value;
    fprintf(stderr, "%s must be a number from 1 to %d, not '%s'\n", variable,
            max, text);
    exit(EXIT_USAGE);
}

int patience_ms(void)
{
    return 1000 * setting("PATIENCE", PATIENCE_S, PATIENCE_S_MAX);
}

void sleep_ms(int ms)
{
    nanosleep(&(struct timespec){ms / 1000, ms % 1000 * 1000000L}, NULL);
}

int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void apply(const struct limits *limits)
{
    const struct rlimit descriptors = {limits->descriptors,
                                       limits->descriptors};
    const struct rlimit memory = {limits->memory_bytes, limits->memory_bytes};
    const struct rlimit processes = {limits->processes, limits->processes};

    if (limits->descriptors > 0)
        setrlimit(RLIMIT_NOFILE, &descriptors);
    if (limits->memory_bytes > 0)
        setrlimit(RLIMIT_AS, &memory);
    // The limit on processes does not hold for root, so become another user.
    // That user may not be able to look up the program's path, but it can run
    // the open file. The limit counts all processes of a user, and other tests
    // may run at the same time, so the user id depends on the process id.
    const uid_t user = ANOTHER_USER + (uid_t)getpid() % USERS;
    if (limits->processes > 0 &&
        (setrlimit(RLIMIT_NPROC, &processes) != 0 || setuid(user) != 0))
        _exit(126);
}

static void redirect(const struct server *s, const struct limits *limits)
{
    int log = limits != NULL && limits->log != 0 ? limits->log : s->err;
    dup2(s->out, STDOUT_FILENO);
    if (log == NO_LOG) {
        close(STDIN_FILENO);
        close(STDERR_FILENO);
    } else {
        dup2(log, STDERR_FILENO);
    }
}

// Replaces this child of `parent` by the server. Does not return.
static void become(struct server *s, char **arguments,
                   const struct limits *limits, pid_t parent)
{
    assert(arguments[0] != NULL);
    int program = open(arguments[0], O_RDONLY | O_CLOEXEC);
    redirect(s, limits);
    if (limits != NULL)
        apply(limits);
    tap_end_with_parent(parent);  // After setuid(), which would cancel it.
    fexecve(program, arguments, environ);
    // fexecve() fails for a script, because its interpreter needs the path.
    execv(arguments[0], arguments);
    _exit(127);
}

// Appends `arguments`, which may be NULL, to the first `count` words of `all`.
// Returns the new count. Ends the program if there are more than ARGUMENTS_MAX.
static int append(const char **all, int count, const char **arguments)
{
    for (; arguments != NULL && *arguments != NULL; arguments++) {
        if (count == ARGUMENTS_MAX)
            abort();
        all[count++] = *arguments;
    }
    return count;
}

void server_spawn(struct server *s, const char **command,
                  const char **arguments, const struct limits *limits)
{
    const char *all[ARGUMENTS_MAX + 1] = {NULL};
    append(all, append(all, 0, command), arguments);
    *s = (struct server){.out = memfd_create("out", MFD_CLOEXEC),
                         .err = memfd_create("err", MFD_CLOEXEC)};
    pid_t parent = getpid();
    s->pid = tap_fork();
    if (s->pid == 0)
        become(s, (char **)(uintptr_t)all, limits, parent);
}

static void read_text(int file, char *text)
{
    ssize_t len = pread(file, text, SERVER_TEXT_SIZE - 1, 0);
    text[len > 0 ? len : 0] = '\0';
}

// Reads what the server has printed, and closes the files. Returns the exit
// status, or 256 + the signal that ended the server.
static int collect_result(struct server *s, int status)
{
    read_text(s->out, s->out_text);
    read_text(s->err, s->err_text);
    close(s->out);
    close(s->err);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 256 + WTERMSIG(status);
}

// With gcc 12, a signal that comes just before accept() does not end this call
// in a program under the thread sanitizer: the handler runs when the call has
// returned. So connects once, at `at_ms`. Without the sanitizer this would hide
// a server that needs a client to stop. Returns when to connect next.
static int64_t connect_once(const struct server *s, int64_t at_ms)
{
#ifdef SANITIZED
    struct peer p;
    if (now_ms() < at_ms)
        return at_ms;
    peer_connect(&p, s->port);
    peer_close(&p);
    return INT64_MAX;
#else
    (void)s;
    return at_ms;
#endif
}

static int waited_ms;  // for the last server that had to be killed; 0: for none

// Returns the longest time to wait for the end of a server. Once one had to be
// killed, it is shorter: a server that ignores SIGTERM would take all of
// patience_ms() in every test.
static int time_to_end_ms(void)
{
    return waited_ms > 0 ? patience_ms() / 4 : patience_ms();
}

int server_wait(struct server *s)
{
    int status = 0;
    int limit_ms = time_to_end_ms();
    int64_t until_ms = now_ms() + limit_ms;
    int64_t connect_ms = now_ms() + CONNECT_AFTER_MS;
    while (waitpid(s->pid, &status, WNOHANG) == 0) {
        connect_ms = connect_once(s, connect_ms);
        if (now_ms() > until_ms) {
            kill(s->pid, SIGKILL);
            waitpid(s->pid, &status, 0);
            collect_result(s, status);
            waited_ms = limit_ms;
            return -1;
        }
        sleep_ms(CHECK_PAUSE_MS);
    }
    return collect_result(s, status);
}

bool server_await_ready(struct server *s)
{
    int64_t until_ms = now_ms() + patience_ms();
    siginfo_t end = {0};
    while (now_ms() < until_ms && end.si_pid == 0) {
        read_text(s->out, s->out_text);
        const char *colon = strrchr(s->out_text, ':');
        if (colon != NULL && strchr(colon, '\n') != NULL) {
            s->port = (int)strtol(colon + 1, NULL, 10);
            return true;
        }
        sleep_ms(CHECK_PAUSE_MS);
        waitid(P_PID, (id_t)s->pid, &end, WEXITED | WNOHANG | WNOWAIT);
    }
    read_text(s->err, s->err_text);
    return false;
}

bool server_launch(struct server *s, const char **command,
                   const char **arguments, const struct limits *limits)
{
    const char *all[ARGUMENTS_MAX + 1] = {"--port", "0"};
    append(all, 2, arguments);
    server_spawn(s, command, all, limits);
    return server_await_ready(s);
}

// Prints each line of a text that the server has printed on `stream`.
static void print_lines(const char *stream, const char *text)
{
    while (*text != '\0') {
        int len = (int)strcspn(text, "\n");
        printf("# on %s: %.*s\n", stream, len, text);
        text += len + (text[len] == '\n');
    }
}

// Prints what the server has printed on standard error, and how it has ended:
// see server_wait().
static void report_end(const struct server *s, int status)
{
    print_lines("standard error", s->err_text);
    if (status < 0)
        printf("# it did not end within %d s, and was killed\n",
               waited_ms / 1000);
    else if (status >= 256)
        printf("# signal %d ended it: %s\n", status - 256,
               strsignal(status - 256));
    else
        printf("# it ended with exit status %d\n", status);
}

// Kills a server whose ready line has not come, if it still runs, and prints
// what it has done.
static void report_no_start(struct server *s)
{
    siginfo_t end = {0};
    waitid(P_PID, (id_t)s->pid, &end, WEXITED | WNOHANG | WNOWAIT);
    kill(s->pid, SIGKILL);
    int status = server_wait(s);
    print_lines("standard output", s->out_text);
    if (end.si_pid != 0)
        report_end(s, status);
    else
        printf("# within %d s, it printed no line that ends in its port\n",
               patience_ms() / 1000);
}

bool server_start(struct server *s, const char **command,
                  const char **arguments, const struct limits *limits)
{
    bool started = server_launch(s, command, arguments, limits);
    if (!started) {
        report_no_start(s);
        ok(false, "it starts%s%.*s", s->err_text[0] != '\0' ? ": " : "",
           (int)strcspn(s->err_text, "\n"), s->err_text);
    }
    return started;
}

int server_try(struct server *s, const char **command, const char **arguments)
{
    server_spawn(s, command, arguments, NULL);
    return server_wait(s);
}

int server_end(struct server *s, int signo)
{
    kill(s->pid, signo);
    int status = server_wait(s);
    if (status != 0 && status != 256 + signo)
        report_end(s, status);
    return status;
}

void server_stop(struct server *s, const char *what)
{
    int status = server_end(s, SIGTERM);
    bool right = status == 0 &&
                 strstr(s->out_text, ": stopped after ") != NULL &&
                 s->err_text[0] == '\0';
    if (status == 256 + SIGTERM)
        report_end(s, status);
    if (status == 0 && !right) {
        print_lines("standard output", s->out_text);
        print_lines("standard error", s->err_text);
    }
    ok(right, "%s: it stops cleanly", what);
}
