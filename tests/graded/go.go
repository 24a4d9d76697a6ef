// A correct server in Go, to test the grader with: a goroutine for each client,
// which blocks in Read() and Write().
package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"
)

const (
	lineLenMax     = 100
	block          = 4096
	ownDescriptors = 16
	look           = 10 * time.Millisecond
	sameSignal     = 200 * time.Millisecond
	linger         = 10 * time.Second // then disconnects a client that reads nothing
	tcpClose       = 7
	tcpCloseWait   = 8
)

// The value of an option, and the lowest and highest value that it may have.
type number struct {
	value, least, most int
}

func (n *number) String() string { return strconv.Itoa(n.value) }

func (n *number) Set(text string) error {
	value, err := strconv.ParseUint(text, 10, 31)
	if err != nil || int(value) < n.least || int(value) > n.most {
		return fmt.Errorf("must be a number from %d to %d", n.least, n.most)
	}
	n.value = int(value)
	return nil
}

var (
	port        = number{9999, 0, 65535}
	backlog     = number{4096, 1, 65535} // accepted, but Go uses its own
	clientsMax  = number{100000, 1, 1000000}
	nMax        = number{45, 1, 93}
	idleTimeout = number{0, 0, 86400}
	delay       = number{0, 0, 86400000}
	host        string
	framing     string

	lock     sync.Mutex
	stopping bool
	clients  = map[*client]bool{}
	running  sync.WaitGroup

	connections, requests, errorReplies, lost atomic.Int64
)

// ---- The protocol

func fib(n int) uint64 {
	if n < 2 {
		return uint64(n)
	}
	return fib(n-1) + fib(n-2)
}

// Returns the reply to a request.
func answer(line []byte) string {
	line = bytes.TrimSuffix(line, []byte("\r"))
	digits := string(bytes.Trim(line, " \t"))
	n, err := strconv.ParseUint(digits, 10, 64)
	requests.Add(1)
	if len(line) > lineLenMax || err != nil || n < 1 || n > uint64(nMax.value) {
		errorReplies.Add(1)
		return fmt.Sprintf("error: want 1 to %d\n", nMax.value)
	}
	return fmt.Sprintf("fib: %d\n", fib(int(n)))
}

// ---- What the kernel knows about a connection

func ask(conn *net.TCPConn, request uintptr) int {
	var count int32
	raw, _ := conn.SyscallConn()
	raw.Control(func(fd uintptr) {
		syscall.Syscall(syscall.SYS_IOCTL, fd, request,
			uintptr(unsafe.Pointer(&count)))
	})
	return int(count)
}

func unread(conn *net.TCPConn) int      { return ask(conn, syscall.TIOCINQ) }
func undelivered(conn *net.TCPConn) int { return ask(conn, syscall.TIOCOUTQ) }

func state(conn *net.TCPConn) int {
	state := tcpClose
	raw, _ := conn.SyscallConn()
	raw.Control(func(fd uintptr) {
		value, err := syscall.GetsockoptInt(int(fd), syscall.IPPROTO_TCP,
			syscall.TCP_INFO)
		if err == nil {
			state = value & 0xff
		}
	})
	return state
}

// ---- One client

type client struct {
	conn     *net.TCPConn
	rest     []byte        // start of the next line; cut when it is too long
	left     int           // bytes still to read, known once the server stops
	stopped  chan struct{} // closed once stop() has set `left` and `hasEnded`
	hasEnded bool          // it has ended its input: the rest is a request
}

// Limits the input to the bytes that have arrived. Wakes Read().
func (c *client) stop() {
	c.left = unread(c.conn)
	c.hasEnded = state(c.conn) == tcpCloseWait
	close(c.stopped)
	c.conn.SetReadDeadline(time.Now())
	go c.giveUp()
}

func (c *client) isStopped() bool {
	select {
	case <-c.stopped:
		return true
	default:
		return false
	}
}

// Closes the connection when the client has read nothing for `linger`.
func (c *client) giveUp() {
	last, since := 0, time.Now()
	for state(c.conn) != tcpClose {
		time.Sleep(look)
		left := undelivered(c.conn)
		if left == 0 || left != last {
			last, since = left, time.Now()
		} else if time.Since(since) > linger {
			lost.Add(int64(left))
			c.conn.SetLinger(0)
			c.conn.Close()
		}
	}
}

func idleDeadline() time.Time {
	if idleTimeout.value == 0 {
		return time.Time{}
	}
	return time.Now().Add(time.Duration(idleTimeout.value) * time.Second)
}

// Reads into `bytes`. Returns 0 at the end, or when the client is idle. It is
// not idle while it reads the replies of earlier requests.
func (c *client) read(bytes []byte) int {
	for !c.isStopped() {
		before := undelivered(c.conn)
		c.conn.SetReadDeadline(idleDeadline())
		if c.isStopped() { // We have replaced the deadline that stop() set.
			c.conn.SetReadDeadline(time.Now())
		}
		n, err := c.conn.Read(bytes)
		isLate := errors.Is(err, os.ErrDeadlineExceeded)
		if n > 0 || !isLate ||
			!c.isStopped() && undelivered(c.conn) == before {
			c.hasEnded = c.hasEnded || err == io.EOF
			return n
		}
	}
	<-c.stopped
	if c.left == 0 || unread(c.conn) == 0 {
		return 0
	}
	if len(bytes) > c.left {
		bytes = bytes[:c.left]
	}
	c.conn.SetReadDeadline(time.Time{})
	n, _ := c.conn.Read(bytes)
	c.left -= n
	return n
}

// Returns the requests in what was received.
func (c *client) requestsIn(data []byte) [][]byte {
	if framing == "recv" {
		return [][]byte{bytes.TrimSuffix(data, []byte("\n"))}
	}
	lines := bytes.Split(append(c.rest, data...), []byte("\n"))
	rest := lines[len(lines)-1]
	if len(rest) > lineLenMax+2 {
		rest = rest[:lineLenMax+2]
	}
	c.rest = append([]byte(nil), rest...)
	return lines[:len(lines)-1]
}

// Sends all bytes. Returns false if the connection is broken or idle.
func (c *client) write(bytes []byte) bool {
	for {
		before := undelivered(c.conn)
		c.conn.SetWriteDeadline(idleDeadline())
		n, err := c.conn.Write(bytes)
		if err == nil {
			return true
		}
		if !errors.Is(err, os.ErrDeadlineExceeded) ||
			n == 0 && undelivered(c.conn) == before {
			return false
		}
		bytes = bytes[n:]
	}
}

// Sends the replies to these requests. Returns false if the connection is
// broken or idle.
func (c *client) reply(lines [][]byte) bool {
	var replies bytes.Buffer
	for _, line := range lines {
		time.Sleep(time.Duration(delay.value) * time.Millisecond)
		replies.WriteString(answer(line))
	}
	return c.write(replies.Bytes())
}

func (c *client) converse() {
	data := make([]byte, block)
	for n := c.read(data); n > 0; n = c.read(data) {
		if !c.reply(c.requestsIn(data[:n])) {
			return
		}
	}
	if len(c.rest) > 0 && c.hasEnded {
		c.reply([][]byte{c.rest})
	}
}

// Serves a client to its end, and frees its slot. When the server stops, the
// connection is closed only after the client's kernel has acknowledged all
// replies: a close while the client still sends resets the connection, and the
// reset would destroy them.
func (c *client) serve(slots chan struct{}) {
	c.converse()
	if c.isStopped() {
		c.conn.CloseWrite()
		for undelivered(c.conn) > 0 && state(c.conn) != tcpClose {
			time.Sleep(look)
		}
	}
	c.conn.Close()
	lock.Lock()
	delete(clients, c)
	lock.Unlock()
	<-slots
	running.Done()
}

// ---- All of them

func begin(conn *net.TCPConn, slots chan struct{}) {
	c := &client{conn: conn, stopped: make(chan struct{})}
	connections.Add(1)
	running.Add(1)
	lock.Lock()
	defer lock.Unlock()
	clients[c] = true
	if stopping {
		c.stop()
	}
	go c.serve(slots)
}

// Accepts clients while there is a free slot, until the listener is closed.
func acceptClients(listener *net.TCPListener) {
	slots := make(chan struct{}, clientsMax.value)
	for {
		slots <- struct{}{}
		conn, err := listener.AcceptTCP()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err == nil {
			begin(conn, slots)
		} else {
			<-slots
		}
	}
}

// Stops the server at the first signal, and ends it at a second one. A second
// signal within `sameSignal` counts as the first one.
func obey(signals chan os.Signal, listener *net.TCPListener) {
	<-signals
	first := time.Now()
	listener.Close()
	lock.Lock()
	stopping = true
	for c := range clients {
		c.stop()
	}
	lock.Unlock()
	for signo := range signals {
		if time.Since(first) > sameSignal {
			signal.Reset()
			syscall.Kill(os.Getpid(), signo.(syscall.Signal))
		}
	}
}

// ---- The command line

func fail(status int, text string) {
	fmt.Fprintln(os.Stderr, "go: "+text)
	os.Exit(status)
}

func parseOptions() {
	options := flag.NewFlagSet("go", flag.ContinueOnError)
	options.SetOutput(io.Discard)
	options.StringVar(&host, "host", "127.0.0.1", "address to listen on")
	options.StringVar(&framing, "framing", "line", "line or recv")
	options.Bool("quiet", false, "it never logs")
	options.Var(&port, "port", "0: the kernel chooses")
	options.Var(&backlog, "backlog", "connections that wait")
	options.Var(&clientsMax, "max-clients", "clients served at once")
	options.Var(&nMax, "max-n", "largest n")
	options.Var(&idleTimeout, "idle-timeout", "in seconds; 0: never")
	options.Var(&delay, "delay", "of each reply, in ms")
	err := options.Parse(os.Args[1:])
	if errors.Is(err, flag.ErrHelp) {
		options.VisitAll(func(o *flag.Flag) {
			fmt.Printf("  --%s  %s (%s)\n", o.Name, o.Usage, o.DefValue)
		})
		os.Exit(0)
	}
	if err != nil { // Go names options with one dash.
		fail(2, strings.ReplaceAll(err.Error(), " -", " --"))
	}
	if options.NArg() > 0 {
		fail(2, "unexpected argument "+options.Arg(0))
	}
	if framing != "line" && framing != "recv" {
		fail(2, "--framing must be line or recv")
	}
	var limit syscall.Rlimit
	syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit)
	if room := int(limit.Cur) - ownDescriptors; room < clientsMax.value {
		clientsMax.value = room
	}
}

func listen() *net.TCPListener {
	address, err := net.ResolveTCPAddr("tcp4", host+":"+port.String())
	if err != nil {
		fail(2, "--host: "+err.Error())
	}
	listener, err := net.ListenTCP("tcp4", address)
	if err != nil {
		fail(1, err.Error())
	}
	fmt.Println("go: listening on", listener.Addr())
	return listener
}

func main() {
	parseOptions()
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	listener := listen()
	go obey(signals, listener)
	acceptClients(listener)
	running.Wait()
	fmt.Printf("go: stopped after %d connections, %d requests, %d errors",
		connections.Load(), requests.Load(), errorReplies.Load())
	if lost.Load() > 0 {
		fmt.Printf("; %d bytes were not delivered", lost.Load())
	}
	fmt.Println()
}
