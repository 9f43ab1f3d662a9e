// Command run proves that tests see what they are there to see. Each patch in testdata/sabotage removes one check and
// names, in lines before its first diff, the test that must then fail and the attack that the check stops:
//
//	Test: ./token TestVerifyRefusesOtherAudience
//	Attack: a token for another audience
//	Flags: -race
//
// Flags are optional. The test must pass without the patch and, with it, fail by an assertion: a patch that does not
// apply or compile, a panic and a time-out prove nothing, and neither does a test that does not exist. It works on a
// copy of the tree and leaves the tree alone.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"text/tabwriter"
	"time"
)

func main() {
	shard := flag.String("shard", "1/1", "the part of the patches to run: `i/n`")
	only := flag.String("only", "", "run the patches whose file name contains this `text`")
	workers := flag.Int("workers", max(1, runtime.NumCPU()/2), "how many copies of the tree to work on")
	root := flag.String("root", ".", "the `directory` of go.mod")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	ok, err := run(ctx, *root, *shard, *only, *workers)
	if err != nil {
		fmt.Fprintln(os.Stderr, "sabotage:", err)
		os.Exit(2)
	}
	if !ok {
		os.Exit(1)
	}
}

// run judges the chosen patches, prints them as a table and says whether each test failed as it must.
func run(ctx context.Context, root, shard, only string, workers int) (bool, error) {
	all, err := readPatches(filepath.Join(root, "testdata", "sabotage"))
	if err != nil {
		return false, err
	}
	chosen, err := choose(all, shard)
	if err != nil {
		return false, err
	}
	chosen = slices.DeleteFunc(chosen, func(p patch) bool { return !strings.Contains(p.name, only) })

	found := make([]verdict, len(chosen))
	next := make(chan int)
	var wait sync.WaitGroup
	errs := make([]error, workers)
	for w := range workers {
		wait.Go(func() {
			b, err := newBench(root)
			errs[w] = err
			for i := range next {
				if err == nil {
					found[i] = b.judge(ctx, chosen[i])
				}
			}
			if err == nil {
				b.remove()
			}
		})
	}
	for i := range chosen {
		next <- i
	}
	close(next)
	wait.Wait()
	for _, err := range errs {
		if err != nil {
			return false, err
		}
	}
	return report(chosen, found, len(all)), ctx.Err()
}

func report(chosen []patch, found []verdict, all int) bool {
	ok := true
	table := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	for i, p := range chosen {
		mark := "seen"
		if !found[i].seen {
			mark, ok = "NOT SEEN", false
		}
		fmt.Fprintf(table, "%s\t%s\t%s %s\t%s\t%s\n", mark, p.name, p.pkg, p.test, found[i].took.Round(100*time.Millisecond), found[i].why)
	}
	table.Flush()
	for i := range found {
		if found[i].output != "" {
			fmt.Printf("\n%s: %s\n%s\n", chosen[i].name, found[i].why, found[i].output)
		}
	}
	fmt.Printf("sabotage: %d of %d patches\n", len(chosen), all)
	return ok
}
