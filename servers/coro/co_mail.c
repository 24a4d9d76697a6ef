// co_mail.c - messages to the loop of a thread, from other threads and from
// signal handlers.
//
// This file cannot use a lock: a signal handler may interrupt the thread that
// holds the lock, and would then wait for it without end. So senders add their
// messages by atomic instructions. Only co_mail_close() blocks: until all
// running calls of co_mail_send() have returned.

#include "co_mail.h"

#include <errno.h>
#include <sched.h>
#include <stddef.h>
#include <sys/eventfd.h>
#include <unistd.h>

_Thread_local struct co_mailbox co_mailbox = {.event = -1};

// LESSON wake-from-outside: only the thread of a loop may use the queues of
// that loop. Other threads push their messages onto a list, by one atomic
// instruction. The sender that finds the list empty also writes to an eventfd,
// which wakes the loop. If the loop is not asleep, its next sleep ends at once.
void co_mail_send(struct co_mailbox *box, struct co_mail *mail)
{
    if (atomic_exchange(&mail->pending, true))
        return;
    int saved_errno = errno;
    atomic_fetch_add(&box->sender_count, 1);
    struct co_mail *newest = atomic_load(&box->pushed);
    do
        mail->next = newest;
    while (!atomic_compare_exchange_weak(&box->pushed, &newest, mail));
    // From here on, the owner of the mailbox may take `mail`, and free it.
    int event = atomic_load(&box->event);
    if (newest == NULL && event >= 0)
        eventfd_write(event, 1);
    atomic_fetch_sub(&box->sender_count, 1);
    errno = saved_errno;
}

int co_mail_open(void)
{
    if (atomic_load(&co_mailbox.event) < 0)
        atomic_store(&co_mailbox.event, eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    return atomic_load(&co_mailbox.event) < 0 ? -1 : 0;
}

void co_mail_close(void)
{
    int event = atomic_exchange(&co_mailbox.event, -1);
    while (atomic_load(&co_mailbox.sender_count) > 0)
        sched_yield();
    close(event);
}

// Reverses the list of pushed messages, so that the oldest comes first, and
// appends it to those that were collected before.
void co_mail_collect(void)
{
    if (atomic_load(&co_mailbox.pushed) == NULL)
        return;  // The usual case, and cheaper than the exchange.
    struct co_mail *newest = atomic_exchange(&co_mailbox.pushed, NULL);
    struct co_mail *oldest = NULL, **end = &co_mailbox.collected;
    while (newest != NULL) {
        struct co_mail *next = newest->next;
        newest->next = oldest;
        oldest = newest;
        newest = next;
    }
    while (*end != NULL)
        end = &(*end)->next;
    *end = oldest;
}

struct co_mail *co_mail_take(void)
{
    struct co_mail *mail = co_mailbox.collected;
    if (mail == NULL)
        return NULL;
    co_mailbox.collected = mail->next;
    // If a second sender finds the message still pending, it sends nothing:
    // this message serves both. So the coroutine that is woken must also see
    // what the second sender wrote before its co_mail_send(). atomic_exchange()
    // guarantees this, because it reads the value that the second sender has
    // stored in `pending`. atomic_store() would not.
    atomic_exchange(&mail->pending, false);
    return mail;
}

void co_mail_withdraw(struct co_mail *mail)
{
    co_mail_collect();
    struct co_mail **at = &co_mailbox.collected;
    while (*at != NULL && *at != mail)
        at = &(*at)->next;
    if (*at != NULL)
        *at = mail->next;
}
