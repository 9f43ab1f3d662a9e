package main

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// newDatabaseLife has not begun yet. Its log is in a database of its own.
func newDatabaseLife(t *testing.T, program string, c *cluster, name string) *life {
	t.Helper()
	dir, up, port := t.TempDir(), upstreamOf(t, nil), freePort(t)
	file := filepath.Join(dir, "doorward.yaml")
	text := strings.NewReplacer("demo: true", "url: "+up.URL, "$PORT", port, "$DIR", dir).Replace(plainFile) + "database: " + c.database(name) + "\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	l := lifeOf(t, program, "serve", "--config", file)
	l.up, l.database = up, true
	return l
}

// every is how far apart the points are that are tried: `make crash` tries all.
func every(few int) int {
	if os.Getenv("DOORWARD_CRASHES") == "" {
		return few
	}
	return 1
}

// TestCrashAtEveryPoint on PostgreSQL.
func TestCrashAtPointsOfPostgres(t *testing.T) {
	program, c := crashProgram(t), newCluster(t)
	all := points(t, newDatabaseLife(t, program, c, "whole"))
	for n := rand.IntN(every(18)); n < len(all); n += every(18) {
		t.Run(strconv.Itoa(n+1)+" "+all[n], func(t *testing.T) {
			t.Parallel()
			if !newDatabaseLife(t, program, c, fmt.Sprintf("point%d", n+1)).dies(n + 1) {
				t.Skip("the point was passed by another goroutine at another time")
			}
		})
	}
}

// TestCrashAtRandom on PostgreSQL.
func TestCrashAtRandomOnPostgres(t *testing.T) {
	program, c := crashProgram(t), newCluster(t)
	for lives, of := 2, crashes(t, 10); lives > 0; lives-- {
		t.Run(strconv.Itoa(lives), func(t *testing.T) {
			t.Parallel()
			l := newDatabaseLife(t, program, c, fmt.Sprintf("random%d", lives))
			for range of / 2 {
				l.dies(1 + rand.IntN(60))
			}
		})
	}
}

// PostgreSQL is killed under a process that goes on: what it answered is in the log, calls that it could not record are
// refused, and when PostgreSQL is there again they are carried out, without a restart.
func TestCrashOfPostgres(t *testing.T) {
	program, c := crashProgram(t), newCluster(t)
	l := newDatabaseLife(t, program, c, "killed")
	l.start()
	if err := l.live(3); err != nil {
		t.Fatal(err)
	}
	for range max(2, crashes(t, 2)/50) {
		stop, ended := make(chan struct{}), make(chan error)
		go func() { ended <- l.callsUntil(stop) }()
		time.Sleep(time.Duration(rand.IntN(200)) * time.Millisecond)
		c.kill()
		time.Sleep(300 * time.Millisecond)
		c.start()
		eventually(t, "calls are carried out again", func() bool {
			a, err := l.try(http.DefaultClient, l.calling(l.tool()))
			return err == nil && a.StatusCode == http.StatusOK
		})
		close(stop)
		if err := <-ended; err != nil {
			t.Fatalf("%v\n%s", err, l.stderr)
		}
	}
	l.kill()
	l.left()
	l.start()
	l.proves()
}

// callsUntil calls until it is told to stop. What is refused meanwhile says why.
func (l *life) callsUntil(stop <-chan struct{}) error {
	for {
		select {
		case <-stop:
			return nil
		default:
		}
		a, err := l.try(http.DefaultClient, l.calling(l.tool()))
		switch {
		case err != nil:
			time.Sleep(10 * time.Millisecond) // the outcome could not be recorded, so the answer was cut off
		case a.StatusCode == http.StatusOK:
			l.answered("mcp.called")
			l.receipts = append(l.receipts, a.Header.Get("Doorward-Receipt"))
		case a.StatusCode != http.StatusServiceUnavailable:
			return fmt.Errorf("a call without a log is answered %s: %s", a.Status, a.body)
		default:
			time.Sleep(10 * time.Millisecond)
		}
	}
}
