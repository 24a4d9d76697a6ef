// co.h - stackful coroutines for one thread, with waiting calls over epoll.
//
// A coroutine is a function that runs on its own stack until it yields, waits
// or returns. Nothing interrupts it in between. The runtime has these layers,
// and each uses only those above it:
//
//     co.c          coroutines: resume and yield, passing values
//     co_loop.c     the scheduler: which coroutine runs next, and waking it
//     co_wait.c     parking, sleeping, semaphores, cancellation, deadlines
//     co_io.c       calls that wait for a descriptor
//     co_group.c    coroutines that succeed or fail together
//     co_offload.c  blocking functions, run by other threads
//     co_inspect.c  reports what each coroutine waits for, on a UNIX socket
//     co_watchdog.c reports a coroutine that does not let the others run
//
// The layers use co_stack.c (stacks and their guard pages), co_timers.c (a heap
// of timers), co_mail.c (messages from other threads and signal handlers),
// co_cache.h (use of the processor's cache), co_tools.h (calls that inform
// sanitizers and valgrind) and co_switch.h (switching stacks, per
// architecture).
//
// Results  A function that returns int or ssize_t returns -1 on failure and
//          sets errno.
// Times    A parameter `ms` is in milliseconds. -1 means never.
// Blocks   Two functions block the thread: co_run(), while no coroutine is
//          ready, and co_set_watchdog(). A waiting call (see below) suspends
//          only the coroutine that makes it.
// Threads  A coroutine belongs to the thread that created it, and each thread
//          has a scheduler of its own. Only co_wake_async() may be called for a
//          coroutine of another thread. When a thread ends, the runtime frees
//          all memory that it has allocated for that thread.
//
// Not supported:
//   - a C++ exception or a longjmp() that leaves a coroutine's function;
//   - fork() in a coroutine, unless the child only calls execve() or _exit():
//     parent and child would share one epoll instance;
//   - a floating-point environment per coroutine (rounding mode, exception
//     masks; see fenv(3)): all coroutines of a thread have the same;
//   - stack frames larger than the guard page of 4 KiB in code that was not
//     compiled with -fstack-clash-protection (on aarch64 also with
//     --param=stack-clash-protection-guard-size=12). Such a frame can skip the
//     guard page, and overwrite the stack of another coroutine.

#ifndef CO_H
#define CO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

struct co;

// A queue of coroutines, first in, first out. Only the runtime uses its fields.
struct co_queue {
    struct co *first, *last;
};

enum {
    CO_STACK_KIB = 16,  // default size of a stack, its guard page included
    CO_BUDGET = 16,     // waiting calls in a row before other coroutines run
};

// ---- States
//
// A coroutine is in exactly one state:

enum co_state {
    CO_RUNNING,          // it runs, or has resumed one that has not yielded
    CO_NEW,              // created; it has not run
    CO_YIELDED,          // in co_yield_value(), until it is resumed
    CO_READY,            // the scheduler will run it
    CO_PARKED,           // in co_park(), until it is woken
    CO_WAITING,          // in another waiting call, until its event comes
    CO_UNINTERRUPTIBLE,  // the same, but only its event ends the wait
    CO_DONE,             // its function has returned
};

// Returns the state of `c`.
enum co_state co_state_of(const struct co *c);

// Three words have a strict meaning here. A coroutine that *yields* lets the
// coroutine that has resumed it continue, and runs again at the next
// co_resume(). A coroutine that *reschedules* itself runs again in the next
// round of the scheduler. A coroutine that *parks* runs again after a
// co_wake().
//
// The table says what happens to a coroutine in each state when one of these
// functions is called for it, or when its deadline passes:
//
//                    co_wake()  co_cancel()  deadline   co_resume()  co_free()
//   NEW, YIELDED     permit     next call    next call  it runs      freed
//   RUNNING, READY   permit     next call    next call  EBUSY        EBUSY
//   PARKED           woken      ECANCELED    ETIMEDOUT  EBUSY        EBUSY
//   WAITING          permit     ECANCELED    ETIMEDOUT  EBUSY        EBUSY
//   UNINTERRUPTIBLE  permit     next call    next call  EBUSY        EBUSY
//   DONE             -          -            -          EINVAL       freed
//
//   woken       Its co_park() returns 0.
//   permit      Its next co_park() takes the permit and returns 0 at once.
//               There is at most one permit: a second co_wake() adds nothing.
//               If the first co_wake() has ended a co_park(), a second one
//               adds nothing either, until that co_park() has returned.
//   ECANCELED,  Its present waiting call fails with this error, and so do all
//   ETIMEDOUT   later ones. Setting a later deadline ends ETIMEDOUT.
//   next call   Its waiting calls fail from the next one on: with ECANCELED
//               after co_cancel(), with ETIMEDOUT after the deadline. But a
//               RUNNING coroutine may have resumed another one, directly or
//               through others. If that one is PARKED or WAITING, its wait
//               fails at once.
//
// Why a wakeup leaves a permit: coroutine A decides to park, but before its
// co_park() it calls co_send(), which may let other coroutines run. Coroutine B
// runs, and calls co_wake(A). If this wakeup were lost, the co_park() of A
// would never return. But a permit may also be left from an earlier event. So A
// must check a condition around the call: while (!done) co_park();

// ---- Coroutines (co.c): no function here waits for an event

// Creates a coroutine that runs fn(arg) when it is first resumed. Returns NULL
// with ENOMEM if there is no memory for a stack. The caller frees the coroutine
// with co_free().
struct co *co_new(void *(*fn)(void *arg), void *arg);

// Runs `c` until it yields or returns, and returns the value that it yields or
// returns. In `c`, co_yield_value() returns `value`; the first co_resume() of
// `c` discards `value`. Returns NULL with EBUSY or EINVAL if the state of `c`
// does not allow it (see the table).
void *co_resume(struct co *c, void *value);

// Suspends the running coroutine: the co_resume() that runs it returns `value`.
// Returns the value that is passed to the next co_resume(). If the coroutine
// has no resumer, for example because co_go() has started it, returns NULL with
// EPERM at once.
void *co_yield_value(void *value);

// Resumes `inner` until it is done ("yield from"). The calling coroutine yields
// each value that `inner` yields, and passes to `inner` each value that its own
// resumer passes. Returns what `inner` returned. The caller frees `inner`.
void *co_delegate(struct co *inner);

// Returns true once the function of `c` has returned.
bool co_done(const struct co *c);

// Frees `c`. If `c` is not done, its function never continues, so the memory
// and the descriptors that it owns stay allocated. Returns 0, or -1 with EBUSY
// if the state of `c` does not allow it (see the table). Coroutines that
// co_go() has started are freed by the scheduler.
int co_free(struct co *c);

// Returns the running coroutine, or NULL on the thread's own stack.
struct co *co_self(void);

// Gives the running coroutine a name, for messages about it, for co_inspect()
// and for debuggers. The string must stay valid while the coroutine exists.
void co_set_name(const char *name);

// Sets the size in bytes of this thread's stacks, guard page included. It is
// rounded up to whole pages. Has no effect from the first coroutine of the
// thread on, until co_release_stacks().
void co_set_stack_size(size_t size);

// Returns how many bytes of the stack of `c` have been used so far, by `c` or
// by an earlier coroutine on the same stack.
size_t co_stack_used(const struct co *c);

// Gives the memory of all stacks of this thread back to the system. Returns 0,
// or -1 with EBUSY while a coroutine of the thread exists. When a thread ends,
// the runtime does this by itself.
int co_release_stacks(void);

// ---- The scheduler (co_loop.c)

// Creates a coroutine that runs fn(arg). Its first turn comes after those of
// all coroutines that are ready now. The scheduler frees it when fn has
// returned. Returns 0, or -1 with ENOMEM. Does not wait.
int co_go(void (*fn)(void *arg), void *arg);

// The scheduler: runs coroutines in turns, until all that co_go() has started
// have returned. A turn ends when the coroutine waits, reschedules itself or
// returns. Blocks the thread while no coroutine is ready. Returns 0, or -1 with
// errno of eventfd(2), epoll_create1(2), epoll_ctl(2) or epoll_wait(2). Returns
// -1 with EBUSY in a coroutine that co_run() already runs.
int co_run(void);

// Lets other coroutines run: those that are ready, and those whose event has
// come. It is not a waiting call, so it cannot fail. Has no effect outside
// co_run().
void co_reschedule(void);

// ---- Waiting calls: what they have in common
//
// The comment of a waiting call begins with the words "Waiting call". A waiting
// call suspends the calling coroutine, and other coroutines run in the
// meantime. It may be made by coroutines that co_run() runs, and by coroutines
// that these have resumed. A waiting call fails at once, even if it would not
// have to wait,
//
//     with EPERM      outside of co_run(),
//     with ECANCELED  if the calling coroutine, or one that has resumed it and
//                     waits for it, was cancelled by co_cancel(),
//     with ETIMEDOUT  if the deadline of one of these coroutines has passed.
//
// It also fails with ECANCELED or ETIMEDOUT if the cancellation or the deadline
// comes before its event, while it waits.
//
// If all waiting calls of a turn return without having to wait, the coroutine
// would never let others run. So call number CO_BUDGET of the turn reschedules
// it. An earlier call does so if more than 1 ms has passed since the third
// call. Three calls that return at once do not count: co_sleep(0),
// co_send_all() of no bytes, and co_group_join() of a group without members.

// Waiting call. If there is a permit (see the table), takes it and returns at
// once. Otherwise waits for co_wake().
int co_park(void);

// Ends the co_park() of `c`, or leaves a permit (see the table). Does not wait.
void co_wake(struct co *c);

// Asks the thread of `c` to call co_wake(c). May be called in any thread and
// any signal handler. Several calls have the effect of one, until the thread of
// `c` has seen the first. `c` must not be freed before the call returns. Does
// not block and keeps errno.
void co_wake_async(struct co *c);

// Waiting call. Waits until `ms` milliseconds have passed. With -1, waits until
// the coroutine is cancelled, or its deadline passes. With 0, returns at once.
int co_sleep(int ms);

// Sets the deadline of the running coroutine to `ms` milliseconds from now; -1:
// none. Once it has passed, all waiting calls of this coroutine, and of the
// coroutines that it resumes, fail with ETIMEDOUT.
void co_set_deadline(int ms);

// Limits each wait for a descriptor (see "Descriptors" below) to `ms`
// milliseconds; -1: no limit. When the limit has passed, the waiting call fails
// with ETIMEDOUT. The limit holds for the running coroutine and those that it
// resumes, until the next co_limit_waits(). Returns the previous limit, at
// first -1.
int co_limit_waits(int ms);

// Makes the present waiting call of `c` and all later ones fail with ECANCELED
// (see the table). `c` should then do what it does when any call fails: clean
// up and return. Does not wait for that.
void co_cancel(struct co *c);

// A counting semaphore, as in sem_overview(7), for the coroutines of a thread.
// Starts as {.count = n}.
struct co_sem {
    int count;
    struct co_queue waiters;
};

// Waiting call. Waits until the count is above zero, and subtracts one. Waiting
// coroutines are served in the order in which they came.
int co_sem_wait(struct co_sem *sem);

// Ends the wait of the first coroutine that waits for the semaphore. If none
// waits, adds one to the count. Does not wait.
void co_sem_post(struct co_sem *sem);

// ---- Groups (co_group.c)

// A group of coroutines. Starts as {0}, and co_group_join() sets it to {0}
// again. Only co_group.c uses its fields.
struct co_group {
    struct co *members;
    struct co *joiner;
    int error;
    bool cancelled;
};

// Starts fn(arg) in a coroutine, a member of the group. If fn fails, it must
// set errno and return a value other than 0: then all other members are
// cancelled. If the group is already cancelled, so is the new member. Returns
// 0, or -1 with ENOMEM. Does not wait.
int co_group_go(struct co_group *group, int (*fn)(void *arg), void *arg);

// Waiting call. Waits until all members have returned. Returns 0 if all of them
// returned 0, else -1 with the errno of the first that did not. If the caller
// is cancelled, or its deadline passes, cancels all members, and still waits
// until they have returned: when this call returns, the group has no members.
// Three errors end the call at once, and then no member is cancelled: EPERM
// outside of co_run(), EBUSY if another coroutine already waits for the group,
// and EDEADLK if the caller, or one that has resumed it, is a member: the call
// would wait for itself.
int co_group_join(struct co_group *group);

// Cancels all members. Does not wait.
void co_group_cancel(struct co_group *group);

// ---- Other threads (co_offload.c)

// Sets how many threads co_offload() may start. The default, also for a `count`
// below 1, is the number of cores. Threads that were started earlier do not
// end.
void co_set_offload_threads(int count);

// Waiting call. Runs fn(arg) in another thread, for functions that block, or
// compute for more than about 50 us. Waits until fn has returned, even if the
// coroutine is cancelled in the meantime, because fn may use variables on the
// coroutine's stack. Returns 0, or -1 with EAGAIN if no thread can be started;
// then fn has not run.
int co_offload(void (*fn)(void *arg), void *arg);

// ---- Descriptors (co_io.c)
//
// The descriptor must be non-blocking. At most one coroutine may wait to read
// from it, and one to write to it. If another one tries, its call fails with
// EBUSY. When co_close() closes the descriptor, waiting calls for it fail with
// EBADF. A call also fails if its system call of the same name does, with the
// same errno. There are two exceptions: after EAGAIN (co_connect():
// EINPROGRESS) the call waits, and after EINTR it tries again.

// Waiting call, as accept4(2). Returns a non-blocking, close-on-exec
// descriptor, which the caller closes with co_close(). Skips connections that
// were aborted before they could be accepted.
int co_accept(int listener);

// Waiting call, as connect(2). Returns when the connection is established or
// has failed. For a UNIX socket, fails with EAGAIN if the queue of the listener
// is full.
int co_connect(int fd, const struct sockaddr *address, socklen_t len);

// Waiting call, as recv(2). Returns the number of bytes, or 0 at the end of the
// input.
ssize_t co_recv(int fd, void *buf, size_t size);

// Waiting call, as send(2). May send less than `len` bytes. Fails with EPIPE if
// the peer has closed the connection, and raises no signal.
ssize_t co_send(int fd, const void *buf, size_t len);

// Waiting call. Calls co_send() until all `len` bytes are sent. A limit of
// co_limit_waits() holds for each co_send(): it limits only the time without
// progress. Returns 0, or -1; then a part of the data may have been sent.
int co_send_all(int fd, const void *buf, size_t len);

// Waiting call. Waits until `fd` is ready for `event`, which is EPOLLIN or
// EPOLLOUT. Fails with EINVAL for any other event. `fd` may be of any kind that
// epoll accepts.
int co_poll(int fd, uint32_t event);

// As close(2), for a descriptor that was used with these calls. Also deletes
// what the runtime has stored about the descriptor, which close() does not.
// Does not wait.
int co_close(int fd);

// ---- Seeing what coroutines do (co_inspect.c, co_watchdog.c)

// Starts the inspector of this thread: a coroutine that listens on a UNIX
// socket. It sends each client that connects one line of JSON for every
// coroutine of the thread, and then closes the connection. Try it with nc -U. A
// line:
//
//     {"name": "client", "state": "waiting", "waits_for": "read", "fd": 7,
//      "due_ms": 950, "stack_used": 1312, "stack_size": 12288}
//
//   state       one of enum co_state, in lower case
//   waits_for   "read" or "write", for the descriptor fd; or, with fd -1:
//               "time"                   in co_sleep(), or in co_group_join()
//                                        with a deadline
//               "semaphore"              in co_sem_wait()
//               "wake-up"                in co_park()
//               "group or cancellation"  in co_group_join() or co_sleep(-1)
//               "thread or group"        in co_offload(), or in co_group_join()
//                                        after its caller was cancelled or
//                                        its deadline has passed
//               "resumed coroutine"      it has resumed one that waits
//               "nothing"                it does not wait
//   due_ms      in how many ms the wait ends at the latest; -1: no limit
//   stack_used  see co_stack_used()
//
// If a program that has ended has left its socket at `path`, the new socket
// replaces it. Returns 0, or -1: with EBUSY if the thread already has an
// inspector, with ENAMETOOLONG if `path` has more than 107 bytes, with ENOENT
// if it is empty, with EADDRINUSE if a program listens at `path` or another
// kind of file is there, or with errno of socket(2), bind(2) or co_go(). Does
// not wait.
int co_inspect(const char *path);

// Cancels the inspector of this thread. The inspector then removes its socket
// and ends; co_run() does not return before that. Has no effect if there is no
// inspector. Does not wait.
void co_inspect_end(void);

// Starts a thread, the watchdog of the calling thread. It watches the
// coroutines that co_run() runs. Suppose one of them lets no other run for `ms`
// milliseconds, because it computes, blocks, or gets no processor. Then the
// watchdog prints the name of this coroutine on standard error, and a command
// line of addr2line(1). This command prints where the coroutine is: its
// functions and their lines, the innermost first. (With musl, only the name is
// printed.) The watchdog reports a turn at most once, and may miss a turn of
// less than 5/4 of `ms`.
//
// If `ms` is -1, only ends the present watchdog of the thread. The end of the
// thread does so, too. The call blocks until the previous watchdog has ended,
// for up to 50 ms.
//
// The watchdog interrupts the coroutine by SIGURG: a system call in which the
// coroutine blocks may fail with EINTR. The watchdog checks four times in `ms`,
// and at least every 50 ms. Each check takes 5 to 20 us of CPU time, even in an
// idle program. Returns 0, or -1: with EINVAL if `ms` is 0, with EAGAIN if no
// thread can be started, or with ENOMEM.
int co_set_watchdog(int ms);

#ifdef __cplusplus
}
#endif

#endif
