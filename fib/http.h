// http.h - the requests and replies of session.h as HTTP/1.1, without any I/O.
//
//     GET /30 HTTP/1.1      200, and "fib: 832040\n"
//     GET /x HTTP/1.1       404, and what is wrong with the path
//     anything else         400, and the end of the conversation
//
// The version and the header Connection say whether the connection stays open
// after a reply. Requests may be pipelined. Other headers are skipped, and no
// memory is allocated for them. A request must not have a body here; a server
// in production must accept one.

#ifndef HTTP_H
#define HTTP_H

#include <stdbool.h>

struct session;

// What the session knows of a request once its first line has arrived. Each
// session contains one such struct, which starts as {0}.
struct http_request {
    bool started;       // the request line was received
    bool keep;          // the connection stays open after the reply
    int status;         // 200, 404 or 400
    unsigned n;         // the n of fib(n), if the status is 200
    const char *wrong;  // why the status is not 200
};

// Does the work of session_answer() for SESSION_FRAMING_HTTP, and returns the
// same.
bool http_answer(struct session *s);

#endif
