package stdio

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Confinement is what a process may not do that we may. The zero Confinement confines nothing; what every process loses on Linux, asked or
// not, is the power to gain privileges (no_new_privs) and to leave core files.
type Confinement struct {
	User    string   `yaml:"user"`    // a name or number; empty: ours. Another one is for root alone
	Group   string   `yaml:"group"`   // a name or number; empty: that of User
	Sandbox *Sandbox `yaml:"sandbox"` // nil: none
}

// Sandbox confines a process and all its children to the files that it needs to run, and those that are listed. Without capabilities, whoever
// it runs as. The zero Sandbox lists nothing and lets nothing out.
type Sandbox struct {
	Read    []string `yaml:"read"`    // files and directories that may be read and executed, with all that is below them
	Write   []string `yaml:"write"`   // those that may be changed too
	Network string   `yaml:"network"` // empty: NetworkNone
}

// The words of Sandbox.Network.
const (
	NetworkNone     = "none"     // no sockets but pairs
	NetworkInternet = "internet" // TCP, UDP and what asks for addresses; no Unix sockets, where services of this machine listen
	NetworkAll      = "all"
)

// The errors of a confinement that cannot be had.
var (
	ErrUnconfined = errors.New("this system cannot confine a process in that way")
	errReaches    = errors.New("it must not be reached from the sandbox")
)

// system is what a program needs to start at all, and what the resolver and TLS read. /etc as a whole is not among it: keys may lie there.
func system() []string {
	return []string{"/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/nix/store", "/gnu/store",
		"/etc/alternatives", "/etc/ca-certificates", "/etc/crypto-policies", "/etc/gai.conf", "/etc/group", "/etc/host.conf", "/etc/hosts", "/etc/ld.so.cache",
		"/etc/ld.so.conf", "/etc/ld.so.conf.d", "/etc/locale.alias", "/etc/localtime", "/etc/mime.types", "/etc/nsswitch.conf", "/etc/passwd", "/etc/pki/tls/certs",
		"/etc/pki/ca-trust", "/etc/protocols", "/etc/resolv.conf", "/etc/services", "/etc/ssl/cert.pem", "/etc/ssl/certs", "/etc/ssl/openssl.cnf", "/etc/timezone",
		"/dev/urandom", "/dev/random", "/sys/devices/system/cpu"}
}

// devices may be written to as well.
func devices() []string { return []string{"/dev/null", "/dev/zero", "/dev/full"} }

// Check says whether this system, and who we are on it, can confine as c says, and that a process cannot come to any of the paths that are
// ours alone. The errors are ErrUnconfined and those of paths and users that are not there.
func (c Confinement) Check(ours ...string) error {
	if err := c.possible(); err != nil {
		return err
	}
	if c.Sandbox == nil {
		return nil
	}
	for _, path := range append(append([]string{}, c.Sandbox.Read...), c.Sandbox.Write...) {
		if _, err := os.Stat(path); err != nil {
			return fmt.Errorf("sandbox: %w", err)
		}
	}
	for _, path := range ours {
		if by := c.Sandbox.reaches(path); by != "" {
			return fmt.Errorf("sandbox: %s reaches %s: %w", by, path, errReaches)
		}
	}
	return nil
}

// reaches names what of the sandbox leads to a path, or to something below it; empty: nothing does.
func (s Sandbox) reaches(path string) string {
	path = resolved(path)
	for _, by := range append(append(system(), s.Read...), s.Write...) {
		if to := resolved(by); below(path, to) || below(to, path) {
			return by
		}
	}
	return ""
}

// below reports whether a path is another one or lies below it.
func below(path, of string) bool {
	return path == of || strings.HasPrefix(path, strings.TrimSuffix(of, "/")+"/")
}

// resolved is a path without links. Of one that is not there yet, what is there of it is resolved.
func resolved(path string) string {
	path, err := filepath.Abs(path)
	if err != nil {
		return path
	}
	if to, err := filepath.EvalSymlinks(path); err == nil {
		return to
	}
	dir := filepath.Dir(path)
	if dir == path {
		return path
	}
	return filepath.Join(resolved(dir), filepath.Base(path))
}
