package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/gofrs/flock"
)

// userData is where programs keep a person's data: the XDG base directory, or the system's own.
func userData() (string, error) {
	if dir := os.Getenv("XDG_DATA_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "doorward"), nil
	}
	if dir := os.Getenv("LOCALAPPDATA"); runtime.GOOS == "windows" && dir != "" {
		return filepath.Join(dir, "doorward"), nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", usage("there is no home directory to keep data in: give --data DIR (%w)", err)
	}
	if runtime.GOOS == "darwin" {
		return filepath.Join(home, "Library", "Application Support", "doorward"), nil
	}
	return filepath.Join(home, ".local", "share", "doorward"), nil
}

// dataDir is the data directory of a listener: each has one of its own, so that several servers stand side by side.
func dataDir(given, listen string) (string, error) {
	if given != "" {
		return filepath.Abs(given)
	}
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return "", usage("--listen %s: %w", listen, err)
	}
	base, err := userData()
	return filepath.Join(base, strings.NewReplacer(":", "_", "%", "_", "/", "_").Replace(host)+"-"+port), err
}

// marker is the file by which a data directory is known to be ours. It is also its lock.
const marker = "doorward.lock"

// openData makes or finds a data directory and locks it. A directory with something else in it is left alone.
func openData(dir string) (release func() error, err error) {
	entries, err := os.ReadDir(dir)
	switch {
	case errors.Is(err, os.ErrNotExist):
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, usage("making the data directory: %w", err)
		}
	case err != nil:
		return nil, usage("opening the data directory: %w", err)
	case len(entries) > 0 && !exists(filepath.Join(dir, marker)):
		return nil, usage("%s is not a data directory of Doorward: it holds other files (%s, …). Give an empty or a new directory with --data", dir, entries[0].Name())
	}
	if err := checkPrivate(dir); err != nil {
		return nil, err
	}
	lock := flock.New(filepath.Join(dir, marker), flock.SetPermissions(0o600))
	ok, err := lock.TryLock()
	if err != nil {
		return nil, usage("locking the data directory: %w", err)
	}
	if !ok {
		return nil, usage("another Doorward runs with the data directory %s: stop it, or give --data another one", dir)
	}
	return lock.Unlock, nil
}

func exists(path string) bool { _, err := os.Lstat(path); return err == nil }

func checkPrivate(dir string) error {
	info, err := os.Stat(dir)
	if err != nil {
		return usage("opening the data directory: %w", err)
	}
	if runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0 {
		return usage("the data directory %s can be entered by others (%s): run chmod 700 %s", dir, info.Mode().Perm(), shellWord(dir))
	}
	return nil
}

// shellWord is s as one word of a line that a person pastes into a shell.
func shellWord(s string) string {
	plain := func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("/._-+=:@%,", r))
	}
	if s != "" && !strings.ContainsFunc(s, plain) {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// lookup finds what ${env:NAME}, ${file:PATH} and ${credential:NAME} mean.
func lookup(kind, name string) (string, error) {
	switch kind {
	case "env":
		if v, ok := os.LookupEnv(name); ok {
			return v, nil
		}
		return "", fmt.Errorf("the environment has no %s", name)
	case "file":
		b, err := os.ReadFile(name)
		return string(b), err
	case "credential":
		dir := os.Getenv("CREDENTIALS_DIRECTORY")
		if dir == "" {
			return "", errors.New("no CREDENTIALS_DIRECTORY is set: systemd sets it for services with LoadCredential=")
		}
		b, err := os.ReadFile(filepath.Join(dir, filepath.Base(name)))
		return string(b), err
	}
	return "", fmt.Errorf("there is no kind of reference %q: env, file and credential are", kind)
}

// resolve is what one reference stands for. A secret itself is refused: it would stand in the list of processes.
func resolve(reference string) (string, error) {
	kind, name, ok := strings.Cut(strings.TrimSuffix(strings.TrimPrefix(reference, "${"), "}"), ":")
	if !ok || !strings.HasPrefix(reference, "${") || !strings.HasSuffix(reference, "}") {
		return "", errors.New("it must be a reference, ${env:NAME} or ${file:PATH}: a secret on the command line can be seen by everybody on the machine")
	}
	v, err := lookup(kind, name)
	return strings.TrimRight(v, "\r\n"), err
}
