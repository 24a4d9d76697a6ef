// co_mail.h - messages to the loop of a thread, from other threads and from
// signal handlers. The loop takes each message exactly once.

#ifndef CO_MAIL_H
#define CO_MAIL_H

#include <stdatomic.h>
#include <stdbool.h>

struct co;

// A message. It says that the event of `waiter` has come. If `waiter` is NULL,
// the message is the field `mail` of a coroutine, and wakes that coroutine.
struct co_mail {
    struct co *waiter;
    atomic_bool pending;  // sent, and not taken yet
    struct co_mail *next;
};

// The messages to one thread, the owner of the mailbox.
struct co_mailbox {
    struct co_mail *_Atomic pushed;  // by senders; the newest first
    struct co_mail *collected;       // by the owner; the oldest first
    atomic_int event;                // an eventfd; -1: closed
    atomic_int sender_count;         // senders that may write to `event`
};

extern _Thread_local struct co_mailbox co_mailbox;  // of this thread

// Sends a message. Does nothing if it is still pending. May be called in any
// thread and any signal handler. Does not block and keeps errno.
void co_mail_send(struct co_mailbox *box, struct co_mail *mail);

// The functions below are for the thread that owns the mailbox.

// Opens the eventfd that wakes the loop. Does nothing if it is already open.
// Returns 0, or -1 with errno of eventfd(2).
int co_mail_open(void);

// Closes the eventfd. Mail that is sent later stays in the mailbox until the
// loop runs again. Blocks until the threads that are sending mail now have
// finished.
void co_mail_close(void);

// Moves all messages from `pushed` to the end of `collected`, the oldest first.
void co_mail_collect(void);

// Takes the oldest collected message, which then is no longer pending. Returns
// NULL if there is none.
struct co_mail *co_mail_take(void);

// Removes a pending message from the mailbox, so that its owner can free it.
void co_mail_withdraw(struct co_mail *mail);

#endif
