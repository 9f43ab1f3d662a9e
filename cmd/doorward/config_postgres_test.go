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

// privatePostgres is the address of a PostgreSQL of this test's own, in a temporary directory, on a socket there and no
// port. PostgreSQL refuses to run as root, so as root it runs as the user postgres, or as nobody. Without the binaries the
// test is skipped, unless DOORWARD_REQUIRE names postgres: then it fails.
func privatePostgres(t *testing.T) string {
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
	bin := filepath.Dir(found[len(found)-1])
	dir, err := os.MkdirTemp("", "pg") // a socket's path is short, and t.TempDir's is not
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	as, err := unprivileged(dir)
	if err != nil {
		t.Fatal(err)
	}
	run := func(name string, args ...string) error {
		c := exec.Command(filepath.Join(bin, name), args...)
		c.Dir, c.SysProcAttr, c.Env = dir, as, []string{"PATH=/usr/bin:/bin", "LANG=C", "HOME=" + dir}
		if out, err := c.CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %w\n%s", name, err, out)
		}
		return nil
	}
	data := filepath.Join(dir, "data")
	err = run("initdb", "-D", data, "-U", "doorward", "-A", "trust", "--no-sync", "-E", "UTF8", "--locale=C")
	if err == nil {
		err = run("pg_ctl", "-D", data, "-l", filepath.Join(dir, "log"), "-w", "-t", "60", "-o", "-k "+dir+" -c listen_addresses=''", "start")
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = run("pg_ctl", "-D", data, "-m", "immediate", "stop") })
	if err := run("createdb", "-h", dir, "-U", "doorward", "doorward"); err != nil {
		t.Fatal(err)
	}
	return "postgres:///doorward?" + url.Values{"host": {dir}, "user": {"doorward"}}.Encode()
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
