// phrases.h - phrases that the tests look for in the client's output.
//
// Each phrase shows that the client has reported one finding. All other checks
// read numbers. So after a change of the output's words, only this file must
// change.

#ifndef FIBLOAD_PHRASES_H
#define FIBLOAD_PHRASES_H

// ---- The summary (client/output.c)

#define SAYS_LOAD "1 connection asks for fib(10)"
#define SAYS_REPLIES "10 right"
#define SAYS_TOO_FEW "too few"
#define SAYS_LATENCY "latency  "
#define SAYS_CONNECTING "to connect"
#define SAYS_ARRIVAL "until the reply arrived"
#define SAYS_DID_NOT_SERVE "is --server-pid that of the server?"
#define SAYS_CPU_PER_REQUEST "per request"
#define SAYS_PSS_UNKNOWN "PSS unknown"
#define SAYS_HOGS "hogs"
#define SAYS_DURING "during them"
#define SAYS_AFTER "after them"
#define SAYS_LONGEST_GAP "longest gap on a connection: "  // a duration
#define SAYS_PROBLEM "problem"
#define SAYS_LOST "10 requests were lost with their connections"
#define SAYS_INSTEAD " instead of "
#define SAYS_WRONG "reply \"fib: 56\\n\" instead of \"fib: 55\\n\"\n"
#define SAYS_ESCAPED "reply \"\\x01\\xff\\\\\\n\" instead of"
#define SAYS_LONG "55555\"... instead of \"fib: 55\\n\"\n"
#define SAYS_RESET "Connection reset by peer (ECONNRESET)"
#define SAYS_UNSENT "found no free connection"
#define SAYS_GONE "the server has gone"
#define SAYS_INTERRUPTED_IN_WARMUP "interrupted in the warm-up"
#define SAYS_INTERRUPTED "interrupted; measured in"
#define SAYS_INCOMPLETE "verdict     incomplete: "
#define SAYS_NOISY "verdict     noisy: "
#define SAYS_STOPPED "it was stopped"

// ---- --each and --calibrate

#define SAYS_EACH "fib(10) 0."
#define SAYS_MANY_CONNECTIONS "1,000 connections"
#define SAYS_RATE "at 1,000 a second"

// ---- Progress

#define SAYS_SERVED " of 3 served"  // after a number of connections

// ---- --ramp and --merge

#define SAYS_ROWS "     until  "  // the heading of the table
#define SAYS_MERGED "results of 3 files"

// ---- Reasons why the client refuses to run

#define BECAUSE_MEMORY "cannot prepare 900 connections"
#define BECAUSE_THREAD "cannot start thread"
#define BECAUSE_TIMEOUT "timed out"
#define BECAUSE_DESCRIPTORS "descriptors"
#define BECAUSE_OTHER_COLUMNS "other columns"
#define BECAUSE_SAME_FILE "is given for two outputs"
#define BECAUSE_NOT_OURS "is not a file that fibload writes with --json"
#define BECAUSE_CHANGED "do not hold its number of samples"
#define BECAUSE_ABOVE "a bucket above the maximum"
#define BECAUSE_VERDICT "a verdict that fibload does not know"
#define BECAUSE_OTHER_LOAD "different loads"
#define BECAUSE_NO_PROCESS "no process"

#endif
