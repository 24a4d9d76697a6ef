// refusals.c - runs in which the system refuses a request of fibload: a system
// call that a sandbox forbids, memory, a thread.

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../tap.h"
#include "client.h"
#include "parts.h"
#include "phrases.h"
#include "server.h"

#ifndef SYS_epoll_pwait2
enum { SYS_epoll_pwait2 = 441 };
#endif

// The errno with which the sandbox refuses epoll_pwait2(). Old container
// runtimes refuse all system calls that they do not know; the errno differs.
static int refusal;

static void refuse_epoll_pwait2(void)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_epoll_pwait2, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned)refusal),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {.len = sizeof filter / sizeof filter[0],
                                 .filter = filter};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0)
        _exit(CLIENT_NOT_PREPARED);
}

// Checks that a client whose sandbox forbids epoll_pwait2() still sleeps.
// Otherwise it would use a whole core for the 400 ms in which its connection
// pauses. `usual_s` is the CPU time without the sandbox.
static void check_refusal(int error, double usual_s)
{
    refusal = error;
    client_prepare = refuse_epoll_pwait2;
    const struct outcome *o =
        RUN(right, "-c", "1", "-n", "20", "--think", "20");
    client_prepare = NULL;
    // Some systems have no such filters.
    ok(o->status == CLIENT_NOT_PREPARED ||
           (o->status == 0 && column(o, "requests") == 20),
       "the client works in a sandbox that refuses epoll_pwait2(): %s",
       strerror(error));
    ok(o->cpu_s < 8 * usual_s + 0.05,
       "in the sandbox, the client uses %.0f ms of CPU time, usually %.0f ms",
       o->cpu_s * 1e3, usual_s * 1e3);
}

void test_sandbox(void)
{
    double usual_s = RUN(right, "-c", "1", "-n", "20", "--think", "20")->cpu_s;
    check_refusal(EPERM, usual_s);
    check_refusal(EACCES, usual_s);
}

static void limit_files_to_4_kib(void)
{
    setrlimit(RLIMIT_FSIZE, &(struct rlimit){4 << 10, 4 << 10});
}

// Checks that the signal with which the kernel reports a file that is too large
// does not end the client before its summary.
void test_little_file(void)
{
    char path[] = TEMPORARY_FILE;
    make_file(path);
    client_prepare = limit_files_to_4_kib;
    const struct outcome *o = RUN(right, "-n", "1000", "--timeline", path);
    client_prepare = NULL;
    unlink(path);
    ok(o->status == 1 && strstr(o->err, path) != NULL &&
           column(o, "requests") == 1000,
       "a file that would exceed ulimit -f costs only that file");
}

#ifdef __GLIBC__
enum { STACKS_ARE_LARGE = true };
#else
enum { STACKS_ARE_LARGE = false };  // A stack of musl has 128 KiB.
#endif

#ifdef SANITIZED
// Checks nothing: the sanitizers need more memory themselves.
void test_little_memory(void)
{
}
#else
static void limit_memory_to_8_mib(void)
{
    setrlimit(RLIMIT_AS, &(struct rlimit){8 << 20, 8 << 20});
}

static void limit_memory_to_64_mib(void)
{
    // Each thread's stack then takes 8 MiB, so 40 threads need too much memory.
    setrlimit(RLIMIT_STACK, &(struct rlimit){8 << 20, 8 << 20});
    setrlimit(RLIMIT_AS, &(struct rlimit){64 << 20, 64 << 20});
}

void test_little_memory(void)
{
    client_prepare = limit_memory_to_8_mib;
    const struct outcome *o = RUN(right, "-c", "900", "-P", "256");
    ok(refused(o, BECAUSE_MEMORY),
       "with too little memory for the connections, the client says so");
    client_prepare = limit_memory_to_64_mib;
    o = STACKS_ARE_LARGE ? RUN(right, "-c", "40", "-t", "40") : NULL;
    if (o != NULL)
        ok(refused(o, BECAUSE_THREAD),
           "if a thread cannot be started, the client says so");
    client_prepare = NULL;
}
#endif
