// co_model.h - a model of what co.h promises: simple, slow and complete.
//
// The model knows the state that each coroutine ("actor") must be in, and how
// its current call must end. It has no queues, no stacks and no epoll: each
// operation changes a few fields. coroutines.c does the same operations in the
// runtime and in the model, and compares the two.

#ifndef CO_MODEL_H
#define CO_MODEL_H

#include <stdbool.h>
#include <stdint.h>

#include "../../servers/coro/co.h"

enum { ACTORS = 16, SEMS = 2, GROUPS = 3 };

#define NEVER INT64_MAX

// The call in which an actor is.
enum wait { NO_WAIT, PARK, SLEEP, SEM, IO, JOIN, OFFLOAD };

// A coroutine, as the model sees it.
struct actor {
    bool exists, is_task;
    struct co *c;  // NULL: the coroutine has not run yet
    enum co_state state;
    bool permit, cancelled, async_wake;
    int64_t deadline_ms;
    int limit_ms;
    struct actor *resumer;  // the actor that has resumed this one
    struct actor *inner;    // the actor that this one has resumed

    // The call that it is in, and the state of that call.
    enum wait wait;
    int64_t due_ms;  // when the call ends by itself, if no deadline comes first
    int error;       // the error that it must fail with, or 0
    int sem;         // SEM: the index of the semaphore
    uint64_t ticket;   // SEM, OFFLOAD: the place in the queue
    int end;           // IO: the index of the socket in ends[]
    bool out;          // IO: it waits to write
    bool closed;       // IO: the socket was closed during the wait
    bool must_run;     // IO: the socket is ready, so the loop must wake it
    bool unwatched;    // IO: epoll has refused; it tries again at due_ms
    bool tried_again;  // IO: epoll has refused at least once
    int64_t limit_at;  // IO: when the call times out
    long transferred;  // IO: the result of the system call
    bool job_ends;     // OFFLOAD: the job in the other thread may end

    int group;         // the group that it is a member of; -1: none
    int rounds_ready;  // rounds of the loop that it was ready in without a turn
};

// A group, as the model sees it. `joiner` waits for its members.
struct group_model {
    struct actor *joiner;
    int error;
    bool cancelled;
};

extern struct actor actors[ACTORS];
extern int sem_counts[SEMS];
extern struct group_model group_models[GROUPS];
extern int64_t now_ms;

// Removes all actors, and resets semaphores, groups and time.
void model_reset(void);

// Returns an actor that does not exist, or NULL if all ACTORS exist.
struct actor *model_free_slot(void);

// Makes an actor exist: as a task of the scheduler, which is ready, or as a
// coroutine that must be resumed.
void model_create(struct actor *a, bool is_task);

// Returns the error with which any waiting call of `a` fails at once, or 0.
int model_refusal(const struct actor *a);

// `a` begins a call that need not wait, but may reschedule it.
void model_call(struct actor *a, enum wait wait);

// `a` begins a call that waits, until `due_ms` at the latest.
void model_wait(struct actor *a, enum wait wait, int64_t due_ms);

// The wait of `a` ends. `error` is what its call must fail with, or 0.
void model_end_wait(struct actor *a, int error);

// `a` returns from its call. Returns the error that the call must have had, or
// 0.
int model_return(struct actor *a);

// Each of these does an operation of co.h in the model. model_wake_async() has
// no effect before the next model_deliver_async_wakes(). model_members()
// returns how many members a group has.
void model_resume(struct actor *by, struct actor *a);
void model_yield(struct actor *a);
void model_wake(struct actor *a);
void model_wake_async(struct actor *a);
void model_deliver_async_wakes(void);
void model_cancel(struct actor *a);
void model_sem_post(int sem);
int model_members(int group);
void model_group_cancel(int group);
void model_group_fail(int group, int error);
void model_end(struct actor *a, int error);

// Returns when the wait of `a` must end by itself, deadlines included.
int64_t model_due_ms(const struct actor *a);

// Ends the waits whose time has come. Waits for ready descriptors must have
// been ended before.
void model_pass_time(void);

#endif
