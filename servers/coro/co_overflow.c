// co_overflow.c - who ran over the end of a stack.
//
// Touching the guard page below a stack raises SIGSEGV. Its handler cannot run
// on the stack that has just overflowed, so it gets one of its own (see
// sigaltstack(2)), says what happened, and ends the process.

#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "co.h"
#include "co_internal.h"
#include "co_stack.h"

static struct {
    uintptr_t page_size;
    char advice[96];
} known;  // Filled in advance: sysconf() and printf() are not for handlers.

static void say(const char *text)
{
    (void)!write(STDERR_FILENO, text, strlen(text));
}

static void on_fault(int signo, siginfo_t *info, void *context)
{
    const struct co *c = co_self();
    (void)context;

    if (c == NULL ||
        (uintptr_t)c->stack - (uintptr_t)info->si_addr > known.page_size) {
        signal(signo, SIG_DFL);  // None of ours: let it happen again.
        return;
    }
    say("coroutine ");
    say(c->name != NULL ? c->name : "without a name");
    say(known.advice);
    abort();
}

static void handle_faults(void)
{
    struct sigaction action = {.sa_sigaction = on_fault,
                               .sa_flags = SA_SIGINFO | SA_ONSTACK};
    struct sigaction before;
    // Another handler is a sanitizer's, say, which knows more than we do.
    if (sigaction(SIGSEGV, NULL, &before) != 0 || before.sa_handler != SIG_DFL)
        return;
    known.page_size = (uintptr_t)sysconf(_SC_PAGESIZE);
    snprintf(known.advice, sizeof known.advice,
             ": ran over the end of its stack of %zu KiB"
             " (co_set_stack_size() sets it)\n",
             co_stack_usable() / 1024);
    sigaction(SIGSEGV, &action, NULL);
}

void co_catch_overflow(void)
{
    static atomic_flag handled = ATOMIC_FLAG_INIT;
    stack_t stack;
    if (sigaltstack(NULL, &stack) != 0 || !(stack.ss_flags & SS_DISABLE))
        return;  // This thread has one.

    stack = (stack_t){.ss_size = (size_t)sysconf(_SC_SIGSTKSZ)};
    stack.ss_sp = mmap(NULL, stack.ss_size, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (stack.ss_sp == MAP_FAILED || sigaltstack(&stack, NULL) != 0)
        return;
    if (!atomic_flag_test_and_set(&handled))
        handle_faults();
}
