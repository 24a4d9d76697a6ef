// startup.c - what must be right before the first connection is opened.

#include "startup.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "export.h"
#include "usage.h"

enum { OWN_DESCRIPTORS = 16 };

_Noreturn static void fail(const char *what, const char *why)
{
    fprintf(stderr, "fibload: %s: %s\n", what, why);
    exit(EXIT_CANNOT_RUN);
}

struct addrinfo *startup_resolve(const struct options *opt)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM,
                                   .ai_flags = AI_NUMERICSERV};
    struct addrinfo *found = NULL;
    int error = getaddrinfo(opt->host, opt->port, &hints, &found);
    if (error != 0)
        fail(opt->host, gai_strerror(error));
    return found;
}

void startup_descriptors(const struct options *opt)
{
    struct rlimit limit = {0};
    int count = opt->connections + opt->idle + opt->hogs;
    rlim_t wanted = (rlim_t)(count + opt->threads) + OWN_DESCRIPTORS;
    getrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_cur < wanted && limit.rlim_max >= wanted) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
    if (limit.rlim_cur >= wanted)
        return;
    fprintf(stderr,
            "fibload: %d connections need %llu descriptors, the limit "
            "(ulimit -Hn) is %llu\n",
            count, (unsigned long long)wanted,
            (unsigned long long)limit.rlim_max);
    exit(EXIT_CANNOT_RUN);
}

// The name of a process as a field of a file: a program may be called anything.
static const char *model_of(pid_t pid)
{
    static char name[USAGE_NAME_SIZE];
    if (pid == 0 || usage_name(pid, name) != 0)
        return "-";
    for (char *c = name; *c != '\0'; c++)
        if (!isprint((unsigned char)*c) || strchr(",\"", *c) != NULL)
            *c = '_';
    return name;
}

void startup_server(struct options *opt)
{
    struct usage usage;
    if (opt->server_pid != 0 &&
        usage_read_times(opt->server_pid, &usage) != 0) {
        fprintf(stderr, "fibload: --server-pid: there is no process %d\n",
                (int)opt->server_pid);
        exit(EXIT_CANNOT_RUN);
    }
    if (opt->model == NULL)
        opt->model = model_of(opt->server_pid);
}

void startup_labels(const struct options *opt)
{
    for (int i = 0; i < opt->label_count; i++) {
        const char *name = opt->labels[i].name;
        bool taken = export_has(name);
        for (int j = 0; j < i; j++)
            taken = taken || strcmp(opt->labels[j].name, name) == 0;
        if (taken)
            fail(name, "--label wants a name that no other column has");
    }
}

FILE *startup_csv(const struct options *opt)
{
    if (opt->csv == NULL)
        return NULL;
    FILE *file = export_open_csv(opt->csv, opt);
    if (file == NULL)
        fail(opt->csv, errno == EINVAL
                           ? "has other columns than this run would add"
                           : strerror(errno));
    return file;
}

FILE *startup_file(const char *path)
{
    if (path == NULL)
        return NULL;
    FILE *file = fopen(path, "we");
    if (file == NULL)
        fail(path, strerror(errno));
    return file;
}
