// As coroutine.c: a goroutine per client, but on a thread per core.
package main

import (
	"bufio"
	"flag"
	"fmt"
	"log"
	"net"
	"strconv"
	"strings"
)

func fib(n uint64) uint64 {
	if n < 2 {
		return n
	}
	return fib(n-1) + fib(n-2)
}

func serveClient(client net.Conn) {
	defer client.Close()
	for lines := bufio.NewScanner(client); lines.Scan(); {
		n, err := strconv.ParseUint(strings.Trim(lines.Text(), " \t\r"), 10, 64)
		if err != nil || n < 1 || n > 45 {
			fmt.Fprintf(client, "error: want 1 to 45\n")
		} else {
			fmt.Fprintf(client, "fib: %d\n", fib(n))
		}
	}
}

func main() {
	port := flag.String("port", "9999", "0: the kernel chooses")
	flag.Bool("quiet", false, "no effect: there are no log lines")
	flag.Parse()
	listener, err := net.Listen("tcp", "127.0.0.1:"+*port)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("go: listening on", listener.Addr())
	for {
		if client, err := listener.Accept(); err == nil {
			go serveClient(client)
		}
	}
}
