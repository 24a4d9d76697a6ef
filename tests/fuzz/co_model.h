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

// The waiting call that an actor has made.
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

    // The waiting call of the actor, and the state of this call.
    enum wait wait;
    int64_t due_ms;  // when the call ends by itself, if no deadline comes first
    int error;       // the error that the call must fail with, or 0
    int sem;         // SEM: the index of the semaphore
    uint64_t ticket;   // SEM, OFFLOAD: the place in the queue
    int end;           // IO: the index of the socket in ends[]
    bool out;          // IO: the call waits to write, not to read
    bool closed;       // IO: the socket was closed during the wait
    bool must_run;     // IO: the socket is ready, so the loop must wake it
    bool unwatched;    // IO: epoll has refused; the call retries at due_ms
    bool tried_again;  // IO: epoll has refused at least once
    int64_t limit_at;  // IO: when the call times out
    long transferred;  // IO: the result of the system call
    bool job_ends;     // OFFLOAD: the job in the other thread may end

    int group;         // the group that the actor is a member of; -1: none
    int rounds_ready;  // rounds of the loop in which it was ready
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

// Creates an actor: a task of the scheduler, which is ready, or a coroutine
// that another actor must resume.
void model_create(struct actor *a, bool is_task);

// Returns the error with which a waiting call of `a` fails at once, or 0 if `a`
// may wait.
int model_refusal(const struct actor *a);

// Begins a call of `a` that need not wait, but may reschedule `a`.
void model_call(struct actor *a, enum wait wait);

// Begins a call of `a` that waits, until `due_ms` at the latest.
void model_wait(struct actor *a, enum wait wait, int64_t due_ms);

// Ends the wait of `a`. Its call must then fail with `error`, or succeed if
// `error` is 0.
void model_end_wait(struct actor *a, int error);

// Ends the call of `a`. Returns the error that the call must have had, or 0.
int model_return(struct actor *a);

// Each of these does an operation of co.h in the model. model_wake_async() has
// no effect before the next model_deliver_async_wakes(). model_members()
// returns how many members a group has. model_end() ends `a`, whose function
// has returned; `error` is the error of a member that has failed, or 0.
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

// Notes that `a` runs now, before its next retry. If it waits again, it retries
// only if epoll refuses once more.
void model_end_retries(struct actor *a);

// Ends the waits whose time has come. The caller must have ended the waits for
// ready descriptors before.
void model_pass_time(void);

#endif
