package store_test

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
	"sync"
	"syscall"
	"testing"
	"time"
)

// private is a PostgreSQL of this test's own: a cluster in a temporary directory, on a socket there and no port.
// PostgreSQL refuses to run as root, so as root it runs as the user postgres, or as nobody.
type private struct {
	bin, dir string
	as       *syscall.SysProcAttr
	next     int
}

var (
	startOnce sync.Once
	cluster   *private
	startErr  error
)

func TestMain(m *testing.M) {
	code := m.Run()
	if cluster != nil {
		cluster.stop()
	}
	os.Exit(code)
}

// postgres gives a fresh database of the private cluster. Without the binaries the test is skipped, unless
// DOORWARD_REQUIRE names postgres: then it fails.
func postgres(t testing.TB) string {
	t.Helper()
	startOnce.Do(func() { cluster, startErr = startPostgres() })
	if errors.Is(startErr, exec.ErrNotFound) && !slices.Contains(strings.Split(os.Getenv("DOORWARD_REQUIRE"), ","), "postgres") {
		t.Skip("PostgreSQL is not installed: make deps installs it")
	}
	if startErr != nil {
		t.Fatalf("starting a private PostgreSQL: %v", startErr)
	}
	address, err := cluster.address()
	if err != nil {
		t.Fatal(err)
	}
	return address
}

func startPostgres() (*private, error) {
	p := &private{}
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if len(found) > 0 {
		p.bin = filepath.Dir(found[len(found)-1])
	} else if path, err := exec.LookPath("initdb"); err == nil {
		p.bin = filepath.Dir(path)
	} else {
		return nil, exec.ErrNotFound
	}
	var err error
	if p.dir, err = os.MkdirTemp("", "pg"); err != nil {
		return nil, err
	}
	if os.Getuid() == 0 {
		uid, gid, err := unprivileged()
		if err != nil {
			return nil, err
		}
		if err := os.Chown(p.dir, uid, gid); err != nil {
			return nil, err
		}
		p.as = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}
	}
	data := filepath.Join(p.dir, "data")
	if out, err := p.command("initdb", "-D", data, "-U", "doorward", "-A", "trust", "--no-sync", "-E", "UTF8", "--locale=C").CombinedOutput(); err != nil {
		return nil, fmt.Errorf("initdb: %w\n%s", err, out)
	}
	return p, p.start()
}

// start starts the server, also again.
func (p *private) start() error {
	options := fmt.Sprintf("-k %s -c listen_addresses='' -c max_connections=200", p.dir)
	if out, err := p.command("pg_ctl", "-D", filepath.Join(p.dir, "data"), "-l", filepath.Join(p.dir, "log"), "-w", "-t", "60", "-o", options, "start").CombinedOutput(); err != nil {
		log, _ := os.ReadFile(filepath.Join(p.dir, "log"))
		return fmt.Errorf("pg_ctl: %w\n%s\n%s", err, out, log)
	}
	return nil
}

// kill ends the server and its sessions as kill -9 does.
func (p *private) kill() error {
	text, err := os.ReadFile(filepath.Join(p.dir, "data", "postmaster.pid"))
	if err != nil {
		return err
	}
	first, _, _ := strings.Cut(string(text), "\n")
	pid, err := strconv.Atoi(first)
	if err != nil {
		return err
	}
	sessions, _ := exec.Command("pgrep", "-P", first).Output()
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		return err
	}
	for session := range strings.FieldsSeq(string(sessions)) {
		if n, err := strconv.Atoi(session); err == nil {
			_ = syscall.Kill(n, syscall.SIGKILL)
		}
	}
	for end := time.Now().Add(10 * time.Second); !ended(pid); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			return errors.New("the killed server does not end")
		}
	}
	// They name a process that is gone, but perhaps not waited for yet.
	return errors.Join(os.Remove(filepath.Join(p.dir, "data", "postmaster.pid")), os.Remove(filepath.Join(p.dir, ".s.PGSQL.5432.lock")))
}

// ended reports whether nothing of a process runs any more.
func ended(pid int) bool {
	if syscall.Kill(pid, 0) != nil {
		return true
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err == nil && strings.Contains(string(stat), ") Z ")
}

// address is a new database of this cluster.
func (p *private) address() (string, error) {
	p.next++
	name := "test" + strconv.Itoa(p.next)
	if out, err := p.command("createdb", "-h", p.dir, "-U", "doorward", name).CombinedOutput(); err != nil {
		return "", fmt.Errorf("createdb: %w\n%s", err, out)
	}
	return "postgres:///" + name + "?" + url.Values{"host": {p.dir}, "user": {"doorward"}}.Encode(), nil
}

func unprivileged() (uid, gid int, err error) {
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err1 := strconv.Atoi(u.Uid)
		gid, err2 := strconv.Atoi(u.Gid)
		return uid, gid, errors.Join(err1, err2)
	}
	return 0, 0, errors.New("neither a user postgres nor nobody")
}

func (p *private) command(name string, args ...string) *exec.Cmd {
	c := exec.Command(filepath.Join(p.bin, name), args...)
	c.Dir, c.SysProcAttr = p.dir, p.as
	c.Env = []string{"PATH=/usr/bin:/bin", "LANG=C", "HOME=" + p.dir}
	return c
}

func (p *private) stop() {
	_ = p.command("pg_ctl", "-D", filepath.Join(p.dir, "data"), "-m", "immediate", "stop").Run()
	_ = os.RemoveAll(p.dir)
}
