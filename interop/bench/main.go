// Command bench measures Doorward against baselines in one run, and prints figures and ratios: `make bench`.
//
// Each target is a process of its own before the same upstream; rounds alternate between the targets, so that a machine
// whose speed drifts slows all of them alike. CPU is the target's own, by the operating system's account. The figures of
// one machine say little; the ratios are what docs/performance.md holds on to.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"os"
	"time"
)

func main() {
	log.SetFlags(0)
	if len(os.Args) > 1 && os.Args[1] == "upstream" {
		log.Fatal(serveUpstream(os.Args[2]))
	}
	if len(os.Args) > 4 && os.Args[1] == "proxy" {
		log.Fatal(serveProxy(os.Args[2], os.Args[3], os.Args[4] == "raised"))
	}
	o := options{}
	flag.StringVar(&o.program, "doorward", "../bin/doorward", "the program")
	flag.DurationVar(&o.each, "each", 3*time.Second, "how long a round loads a target")
	flag.IntVar(&o.rounds, "rounds", 3, "rounds; the median counts")
	flag.IntVar(&o.connections, "connections", 32, "connections that load")
	flag.IntVar(&o.streams, "streams", 100_000, "SSE answers that must arrive whole")
	flag.Parse()
	if err := bench(context.Background(), o); err != nil {
		log.Fatal("bench: ", err)
	}
}

type options struct {
	program     string
	each        time.Duration
	rounds      int
	connections int
	streams     int
}

func bench(ctx context.Context, o options) error {
	h, err := newHouse(ctx, o)
	if err != nil {
		return err
	}
	defer h.close()
	fmt.Printf("start to first 401            %8.0f ms\n", ms(h.firstRefusal))
	fmt.Printf("start to first protected call %8.0f ms   (sign-in and consent by a program; must be under 10 s)\n", ms(h.firstCall))
	fmt.Printf("resident memory at rest       %8.1f MB   (after a first start, before anybody signs in)\n\n", h.rest)
	if err := h.calls(ctx, o); err != nil {
		return err
	}
	if err := h.tokens(ctx, o); err != nil {
		return err
	}
	return h.streams(ctx, o)
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
