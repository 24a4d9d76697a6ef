// conversation.h - what every fib server must pass, in ten parts.
//
// Each function starts the servers it needs, records checks and stops the
// servers. No check has a limit in seconds that a slow machine could miss. A
// check waits for an event, or compares counts, resources and shares of CPU
// time.

#ifndef CONVERSATION_H
#define CONVERSATION_H

void test_protocol(void);         // correct replies
void test_http(void);             // correct replies with --framing http
void test_hostile_clients(void);  // misbehaving clients
void test_limits(void);           // limits on clients, descriptors, memory
void test_leaks(void);            // nothing stays allocated
void test_waiting(void);          // --delay, idle connections, CPU time
void test_stopping(void);         // SIGTERM, SIGINT, SIGKILL
void test_owed(void);             // replies that a stopping server owes
void test_drain(void);            // no reply is lost when stopped under load
void test_command_line(void);     // options and error messages

#endif
