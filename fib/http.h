// http.h - the same requests and replies as HTTP/1.1, without any I/O.
//
//     GET /30 HTTP/1.1      200, and "fib: 832040\n"
//     GET /x HTTP/1.1       404, and what is wrong with the path
//     anything else         400, and the end of the conversation
//
// Connections are kept as the version and the header Connection say, requests
// may be pipelined, and other headers are skipped in constant memory. There is
// no body in a request: a server that is not for learning has to expect one.

#ifndef HTTP_H
#define HTTP_H

#include <stdbool.h>

struct session;

// The place in a request, in struct session. Begins as {0}.
struct http_request {
    bool started;       // the request line was received
    bool keep;          // the connection stays open after the reply
    int status;         // 200, 404 or 400
    unsigned n;         // of a request with status 200
    const char *wrong;  // why the status is another one
};

// session_answer() for SESSION_FRAMING_HTTP.
bool http_answer(struct session *s);

#endif
