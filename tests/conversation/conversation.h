// conversation.h - what any fib server must live through, in nine parts.
//
// Each function starts the servers it needs, records checks and stops them. No
// check judges how long something took: it waits for an event, or compares
// counts, resources and shares of CPU time. So a check passes on a slow and
// busy machine as well, where everything merely takes longer.

#ifndef CONVERSATION_H
#define CONVERSATION_H

// A request that takes a while, long enough for a signal, and its reply. The
// thread sanitizer makes each call several times as slow.
#ifdef SANITIZED
#define SLOW_N "32"
#define SLOW_REPLY "fib: 2178309\n"
#else
#define SLOW_N "36"
#define SLOW_REPLY "fib: 14930352\n"
#endif

void test_protocol(void);         // right replies
void test_http(void);             // right replies to requests of HTTP
void test_hostile_clients(void);  // misbehaving clients
void test_limits(void);           // full tables
void test_leaks(void);            // none
void test_waiting(void);          // --delay, idle CPU
void test_stopping(void);         // signals
void test_owed(void);             // replies that are owed at the end
void test_drain(void);            // stopped under load, no reply is lost
void test_command_line(void);     // before it starts

#endif
