package store

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/gofrs/flock"
)

// holdSQLite locks a file beside the database, which the system frees when the process ends, however it ends. It is not
// the database itself: SQLite has locks of its own there, and closing any descriptor of a file gives up POSIX locks on it.
func holdSQLite(path string) (*lock, error) {
	real, err := filepath.EvalSymlinks(path) // one file may have several names
	if errors.Is(err, os.ErrNotExist) {
		real, err = path, nil
	}
	if err != nil {
		return nil, err
	}
	name := real + ".lock"
	file := flock.New(name, flock.SetPermissions(0o600))
	ok, err := file.TryLock()
	if err != nil {
		return nil, fmt.Errorf("locking %s: %w", name, err)
	}
	if !ok {
		return nil, fmt.Errorf("%w: %s holds %s", ErrHeld, holder(name), path)
	}
	// What cannot be written is only missing from the message that another process gets.
	_ = os.WriteFile(name, []byte(us()+" since "+time.Now().UTC().Format(time.RFC3339)+"\n"), 0o600)
	return newLock(file.Unlock), nil
}

// holder is who wrote itself into a lock file.
func holder(name string) string {
	b, err := os.ReadFile(name)
	if said := strings.TrimSpace(string(b)); err == nil && said != "" && len(said) < 300 && !strings.Contains(said, "\n") {
		return said
	}
	return "a process that cannot be named"
}

// us is this process to whoever finds the database held.
func us() string {
	host, err := os.Hostname()
	if err != nil {
		host = "this machine"
	}
	return fmt.Sprintf("process %d on %s", os.Getpid(), host)
}
