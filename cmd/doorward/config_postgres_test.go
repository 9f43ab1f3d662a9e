package main

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// cluster is a PostgreSQL of a test's own, in a temporary directory, on a socket there and no port.
type cluster struct {
	t        *testing.T
	bin, dir string
	as       *syscall.SysProcAttr
}

// privatePostgres is the address of a database in a cluster of this test's own.
func privatePostgres(t *testing.T) string {
	t.Helper()
	return newCluster(t).database("doorward")
}

// newCluster starts a PostgreSQL. It refuses to run as root, so as root it runs as the user postgres, or as nobody. Without
// the binaries the test is skipped, unless DOORWARD_REQUIRE names postgres: then it fails.
func newCluster(t *testing.T) *cluster {
	t.Helper()
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if path, err := exec.LookPath("initdb"); err == nil {
		found = append([]string{path}, found...)
	}
	if len(found) == 0 {
		if slices.Contains(strings.Split(os.Getenv("DOORWARD_REQUIRE"), ","), "postgres") {
			t.Fatal("PostgreSQL is not installed: make deps installs it")
		}
		t.Skip("PostgreSQL is not installed: make deps installs it")
	}
	c := &cluster{t: t, bin: filepath.Dir(found[len(found)-1])}
	var err error
	if c.dir, err = os.MkdirTemp("", "pg"); err != nil { // a socket's path is short, and t.TempDir's is not
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(c.dir) })
	if c.as, err = unprivileged(c.dir); err != nil {
		t.Fatal(err)
	}
	c.run("initdb", "-D", c.data(), "-U", "doorward", "-A", "trust", "--no-sync", "-E", "UTF8", "--locale=C")
	t.Cleanup(func() { _ = c.try("pg_ctl", "-D", c.data(), "-m", "immediate", "stop") })
	c.start()
	return c
}

func (c *cluster) data() string { return filepath.Join(c.dir, "data") }

func (c *cluster) start() {
	c.t.Helper()
	c.run("pg_ctl", "-D", c.data(), "-l", filepath.Join(c.dir, "log"), "-w", "-t", "60", "-o", "-k "+c.dir+" -c listen_addresses='' -c max_connections=200", "start")
}

// database is the address of a new database.
func (c *cluster) database(name string) string {
	c.t.Helper()
	c.run("createdb", "-h", c.dir, "-U", "doorward", name)
	return "postgres:///" + name + "?" + url.Values{"host": {c.dir}, "user": {"doorward"}}.Encode()
}

func (c *cluster) run(name string, args ...string) {
	c.t.Helper()
	if err := c.try(name, args...); err != nil {
		c.t.Fatal(err)
	}
}

func (c *cluster) try(name string, args ...string) error {
	cmd := exec.Command(filepath.Join(c.bin, name), args...)
	cmd.Dir, cmd.SysProcAttr, cmd.Env = c.dir, c.as, []string{"PATH=/usr/bin:/bin", "LANG=C", "HOME=" + c.dir}
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", name, err, out)
	}
	return nil
}

// kill ends the server and its sessions as kill -9 does.
func (c *cluster) kill() {
	c.t.Helper()
	text, err := os.ReadFile(filepath.Join(c.data(), "postmaster.pid"))
	if err != nil {
		c.t.Fatal(err)
	}
	first, _, _ := strings.Cut(string(text), "\n")
	sessions, _ := exec.Command("pgrep", "-P", first).Output() // none is an error too
	for one := range strings.FieldsSeq(first + " " + string(sessions)) {
		pid, err := strconv.Atoi(one)
		if err != nil {
			c.t.Fatal(err)
		}
		_ = syscall.Kill(pid, syscall.SIGKILL) // a session may have ended by itself
	}
	eventually(c.t, "the killed server ends", func() bool {
		stat, err := os.ReadFile("/proc/" + first + "/stat")
		return err != nil || strings.Contains(string(stat), ") Z ")
	})
	// They name a process that is gone, but perhaps not waited for yet.
	if err := errors.Join(os.Remove(filepath.Join(c.data(), "postmaster.pid")), os.Remove(filepath.Join(c.dir, ".s.PGSQL.5432.lock"))); err != nil {
		c.t.Fatal(err)
	}
}

// unprivileged makes dir somebody's who may run PostgreSQL; nil: the user of this process may.
func unprivileged(dir string) (*syscall.SysProcAttr, error) {
	if os.Getuid() != 0 {
		return nil, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err1 := strconv.Atoi(u.Uid)
		gid, err2 := strconv.Atoi(u.Gid)
		if err := errors.Join(err1, err2, os.Chown(dir, uid, gid)); err != nil {
			return nil, err
		}
		return &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}, nil
	}
	return nil, errors.New("neither a user postgres nor nobody")
}
