// command_line.c - checks the options of a server, and how it refuses bad ones.

#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../tap.h"
#include "conversation.h"
#include "peer.h"
#include "subject.h"

struct misuse {
    const char *arguments[3];
    const char *named;  // a word that the error message must contain
};

static void check_misuse(void)
{
    static const struct misuse misuses[] = {
        {{"--port", "65536"}, "--port"},
        {{"--port", "-1"}, "--port"},
        {{"--port", "99x"}, "--port"},
        {{"--port", ""}, "--port"},
        {{"--port"}, "--port"},
        {{"--backlog", "0"}, "--backlog"},
        {{"--max-clients", "0"}, "--max-clients"},
        {{"--max-n", "94"}, "--max-n"},
        {{"--max-n", "0"}, "--max-n"},
        {{"--delay", "99999999999999999999"}, "--delay"},
        {{"--idle-timeout", "86401"}, "--idle-timeout"},
        {{"--port", "+80"}, "--port"},
        {{"--port", " 80"}, "--port"},
        {{"--framing", "lines"}, "--framing"},
        {{"--host", "no.such.host.invalid"}, "--host"},
        {{"--no-such-option"}, "--no-such-option"},
        {{"extra"}, "extra"},
    };
    int right = 0, count = sizeof misuses / sizeof misuses[0];
    for (int i = 0; i < count; i++) {
        struct server s;
        const char *arguments[4] = {misuses[i].arguments[0],
                                    misuses[i].arguments[1]};
        int status = server_try(&s, subject.command, arguments);
        const char *newline = strchr(s.err_text, '\n');
        bool good = status == 2 && newline != NULL && newline[1] == '\0' &&
                    strstr(s.err_text, misuses[i].named) != NULL;
        if (!good)
            printf("# %s: status %d, said: %s\n", misuses[i].arguments[0],
                   status, s.err_text);
        right += good;
    }
    ok(right == count,
       "%d bad command lines: status 2 and one line that names the option",
       count);
}

static void check_help(void)
{
    static const char *const options[] = {
        "--host",  "--port",    "--backlog", "--max-clients", "--max-n",
        "--delay", "--framing", "--quiet",   "--idle-timeout"};
    const char *arguments[] = {"--help", NULL};
    struct server s;
    bool right = server_try(&s, subject.command, arguments) == 0;
    for (size_t i = 0; i < sizeof options / sizeof options[0]; i++)
        right = right && strstr(s.out_text, options[i]) != NULL;
    ok(right, "--help names every option");
}

// Returns whether a server accepts connections at 127.0.0.2. This is the same
// machine, but by default a server listens at 127.0.0.1 only.
static bool listens_elsewhere(int port)
{
    const struct sockaddr_in to = {.sin_family = AF_INET,
                                   .sin_port = htons((unsigned short)port),
                                   .sin_addr.s_addr =
                                       htonl(INADDR_LOOPBACK + 1)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool listens = connect(fd, (const struct sockaddr *)&to, sizeof to) == 0;
    close(fd);
    return listens;
}

// Checks that the server sends a reply and then stops on SIGTERM. The reply
// must come first: during the startup of the thread sanitizer, a signal that
// arrives between two system calls is delayed until the next call, which may
// never come.
static void ask_and_stop(struct server *s, const char *what)
{
    struct peer p;
    ok(peer_connect(&p, s->port) && peer_asks(&p, "7\n", "fib: 13\n"),
       "%s: it answers", what);
    peer_close(&p);
    server_stop(s, what);
}

static void check_host(void)
{
    const char *quiet[] = {"--quiet", NULL};
    const char *everywhere[] = {"--host", "0.0.0.0", "--quiet", NULL};
    struct server s;
    if (subject_start(&s, quiet)) {
        ok(!listens_elsewhere(s.port),
           "by default, it listens on 127.0.0.1 only");
        ask_and_stop(&s, "by default");
    }
    if (subject_start(&s, everywhere)) {
        ok(listens_elsewhere(s.port),
           "--host 0.0.0.0: it listens on all addresses");
        ask_and_stop(&s, "--host");
    }
}

void test_command_line(void)
{
    check_misuse();
    check_help();
    check_host();
}
