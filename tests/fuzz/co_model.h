// co_model.h - what co.h promises, as a model: simple, slow and complete.
//
// The model knows the state in which each coroutine ("actor") has to be, and
// how its present call has to end. It has no queues, no stacks and no epoll: an
// operation of the runtime changes a few fields here. coroutines.c makes the
// same operations in the runtime and in the model, and compares.

#ifndef CO_MODEL_H
#define CO_MODEL_H

#include <stdbool.h>
#include <stdint.h>

#include "../../servers/coro/co.h"

enum { ACTORS = 16, SEMS = 2, GROUPS = 3 };

#define NEVER INT64_MAX

enum wait { NO_WAIT, PARK, SLEEP, SEM, IO, JOIN, OFFLOAD };

struct actor {
    bool exists, is_task;
    struct co *c;  // NULL: it has not run yet
    enum co_state state;
    bool permit, cancelled, mail;
    int64_t deadline_ms;
    int limit_ms;
    struct actor *resumer, *inner;  // the one it has resumed

    // Its present call.
    enum wait wait;
    int64_t due_ms;    // when it has to end by itself, but for deadlines
    int error;         // what it has to fail with; 0: it succeeds
    int sem;           // the semaphore that it waits for,
    uint64_t ticket;   // and its place in that queue
    int end;           // the descriptor that it waits for, an index,
    bool out;          // to write to it,
    bool closed;       // which was closed meanwhile,
    bool must_run;     // or is ready, so that the loop has to wake it
    bool unwatched;    // epoll has refused: it tries again at due_ms,
    bool tried_again;  // perhaps not for the first time,
    int64_t limit_at;  // and gives up at this time
    long transferred;  // what its system call has returned
    bool job_ends;     // its job in another thread may end, or has ended

    int group;  // of which it is a member; -1: none
    int rounds_ready;
};

struct group_model {
    struct actor *joiner;
    int error;
    bool cancelled;
};

extern struct actor actors[ACTORS];
extern int sem_counts[SEMS];
extern struct group_model group_models[GROUPS];
extern int64_t now_ms;

void model_reset(void);

// An actor comes into being; returns it, or NULL if there are enough.
struct actor *model_free_slot(void);
void model_create(struct actor *a, bool is_task);

// Returns what a waiting call of `a` fails with at once; 0: it does not.
int model_refusal(const struct actor *a);

// `a` makes a call that does not have to wait, but may be rescheduled in it.
void model_call(struct actor *a, enum wait wait);

// `a` waits, until `due_ms` at the latest.
void model_wait(struct actor *a, enum wait wait, int64_t due_ms);

// The wait of `a` ends, with an error unless that is 0.
void model_end_wait(struct actor *a, int error);

// `a` has come back from its call. Returns the error that it had to have.
int model_return(struct actor *a);

void model_resume(struct actor *by, struct actor *a);
void model_yield(struct actor *a);
void model_wake(struct actor *a);
void model_mail(struct actor *a);
void model_deliver_mail(void);
void model_cancel(struct actor *a);
void model_sem_post(int sem);
int model_members(int group);
void model_group_cancel(int group);
void model_group_fail(int group, int error);
void model_end(struct actor *a, int error);

// Returns when the present wait of `a` has to end by itself.
int64_t model_due_ms(const struct actor *a);

// Time has passed: waits end whose time has come. Those for descriptors that
// are ready have ended before.
void model_pass_time(void);

#endif
