// conversation.h - what any fib server must live through, in eight parts.
//
// Each function starts the servers it needs, records checks and stops them. No
// check judges how long something took, but for waits against each other.

#ifndef CONVERSATION_H
#define CONVERSATION_H

#include <stdbool.h>

// The server to be tested.
struct subject {
    const char *path;
    const char *model;   // its file name
    bool one_at_a_time;  // blocking: clients wait for each other by design
    bool few_at_once;    // pool, prefork: they serve 64, who may be silent
    bool always_busy;    // nonblocking: it takes a core even when nobody talks
    bool has_wall;       // select: no more than 1,024 descriptors, anywhere
    bool has_stacks;     // it knows --stack-kib
    bool has_no_idle_timeout;  // uring: it does not know --idle-timeout
};

void test_protocol(const struct subject *subject);         // right answers
void test_hostile_clients(const struct subject *subject);  // rude ones
void test_limits(const struct subject *subject);           // full tables
void test_leaks(const struct subject *subject);            // none
void test_waiting(const struct subject *subject);          // --delay, idle CPU
void test_stopping(const struct subject *subject);         // signals
void test_drain(const struct subject *subject);            // nothing is lost
void test_command_line(const struct subject *subject);     // before it starts

#endif
