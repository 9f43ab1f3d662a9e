package stdio

import (
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"runtime"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// leastLandlock is the version of Landlock without which a sandbox would have a hole: before it, files outside can be truncated (Linux 6.2).
const leastLandlock = 3

func (c Confinement) possible() error {
	if _, err := c.credential(); err != nil {
		return err
	}
	if _, err := os.Stat(shellProgram); err != nil && (c.User != "" || c.Group != "") {
		return fmt.Errorf("user: the bounds are set by a shell: %w", err)
	}
	if c.Sandbox == nil {
		return nil
	}
	if _, err := c.Sandbox.filter(); err != nil {
		return err
	}
	switch version := landlockVersion(); {
	case version <= 0:
		return fmt.Errorf("sandbox: this system has no Landlock: Linux 6.2 or later has it, if its kernel was started with it: %w", ErrUnconfined)
	case version < leastLandlock:
		return fmt.Errorf("sandbox: this system's Landlock has version %d, and a sandbox without holes needs %d, which Linux 6.2 has: %w", version, leastLandlock, ErrUnconfined)
	}
	return nil
}

func (b Bounds) possible() error { return nil }

// credential is who the process runs as; nil: we.
func (c Confinement) credential() (*syscall.Credential, error) {
	if c.User == "" && c.Group == "" {
		return nil, nil
	}
	if os.Geteuid() != 0 {
		return nil, fmt.Errorf("user %s: only root can start a process as somebody else: %w", c.User+c.Group, ErrUnconfined)
	}
	cred := &syscall.Credential{Uid: uint32(os.Geteuid()), Gid: uint32(os.Getegid())}
	if c.User != "" {
		u, err := account(c.User)
		if err != nil {
			return nil, err
		}
		if cred.Uid, err = number(u.Uid); err != nil {
			return nil, err
		}
		if cred.Gid, err = number(u.Gid); err != nil {
			return nil, err
		}
	}
	if c.Group != "" {
		name := c.Group
		if g, err := user.LookupGroup(name); err == nil {
			name = g.Gid
		}
		gid, err := number(name)
		if err != nil {
			return nil, fmt.Errorf("group %s: there is none", c.Group)
		}
		cred.Gid = gid
	}
	return cred, nil
}

// account is a user by name or by number, who need not be in a table.
func account(name string) (*user.User, error) {
	if u, err := user.Lookup(name); err == nil {
		return u, nil
	}
	if u, err := user.LookupId(name); err == nil {
		return u, nil
	}
	if _, err := number(name); err != nil {
		return nil, fmt.Errorf("user %s: there is none", name)
	}
	return &user.User{Uid: name, Gid: name, Username: name, HomeDir: "/"}, nil
}

func number(s string) (uint32, error) {
	n, err := strconv.ParseUint(s, 10, 32)
	return uint32(n), err
}

// environment is what stands in the environment about who the process runs as.
func (c Confinement) environment() []string {
	if c.User == "" {
		return nil
	}
	u, err := account(c.User)
	if err != nil {
		return nil
	}
	return []string{"HOME=" + u.HomeDir, "USER=" + u.Username, "LOGNAME=" + u.Username}
}

// start starts a command as it is confined, and gives what waits for its end. What a thread may not do, the processes that it starts may not do
// either, and nobody else loses anything by it: so one thread confines itself, starts the command and ends with it. Go never makes other
// threads out of a locked one, and ends it with its goroutine. It stays while the process runs, for Linux sends the death signal (prctl(2),
// PR_SET_PDEATHSIG) when the thread that started a process is gone.
func (c Confinement) start(cmd *exec.Cmd, b Bounds) (wait func() error, err error) {
	cred, err := c.credential()
	if err != nil {
		return nil, err
	}
	if cmd.Err != nil {
		return nil, cmd.Err
	}
	program := cmd.Path
	cmd.SysProcAttr.Credential = cred
	if cred != nil {
		b.shell(cmd)
	}
	started, ended := make(chan error, 1), make(chan error, 1)
	onOwnThread(func() {
		err := c.confine(program, cred != nil && cred.Uid != 0)
		if err == nil {
			err = cmd.Start()
		}
		if err == nil {
			if err = b.apply(cmd.Process.Pid, cred != nil); err != nil {
				signal(cmd, kill)
				_ = cmd.Wait()
			}
		}
		if started <- err; err == nil {
			ended <- cmd.Wait()
		}
	})
	return func() error { return <-ended }, <-started
}

// onOwnThread runs f on a thread that ends with it. The first thread of a program does not end: f is kept away from it.
func onOwnThread(f func()) {
	go func() {
		runtime.LockOSThread()
		if unix.Gettid() != unix.Getpid() {
			f() // and the thread is never unlocked
			return
		}
		locked := make(chan struct{})
		go func() {
			runtime.LockOSThread()
			close(locked)
			f()
		}()
		<-locked
		runtime.UnlockOSThread()
	}()
}

// confine takes from this thread what the process is not to have.
func (c Confinement) confine(program string, other bool) error {
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("giving up new privileges: %w", err)
	}
	if c.Sandbox == nil {
		return nil
	}
	if os.Geteuid() == 0 && !other {
		// Root without capabilities (capabilities(7), SECBIT_NOROOT and its lock). Who becomes another user loses them by that.
		const noRoot = 1<<0 | 1<<1
		if err := unix.Prctl(unix.PR_SET_SECUREBITS, noRoot, 0, 0, 0); err != nil {
			return fmt.Errorf("giving up capabilities: %w", err)
		}
	}
	if err := c.Sandbox.landlock(landlockVersion(), program); err != nil {
		return err
	}
	return c.Sandbox.seccomp()
}

// shell has a shell bound a command that runs as somebody else and become it: root may bound a process of another user only with a capability
// (CAP_SYS_RESOURCE) that containers do not give it.
func (b Bounds) shell(cmd *exec.Cmd) {
	script := "ulimit -c 0"
	if b.Files > 0 {
		script += " && ulimit -n " + strconv.Itoa(b.Files)
	}
	if b.Processes > 0 { // for our own user it would count our own threads
		most := strconv.Itoa(b.Processes * b.WithDefaults().Max * threadsEach)
		script += " && { ulimit -u " + most + " 2>/dev/null || ulimit -p " + most + "; }" // the letter in bash, and in dash
	}
	cmd.Args = append([]string{"sh", "-c", script + ` && exec "$@"`, "sh", cmd.Path}, cmd.Args[1:]...)
	cmd.Path = shellProgram
}

const shellProgram = "/bin/sh"

// threadsEach is how many threads each of the processes of a server may have: the kernel counts those of a user.
const threadsEach = 64

// apply bounds a process that has just begun. What the kernel cannot bound is watched.
func (b Bounds) apply(pid int, other bool) error {
	limits := map[int]uint64{unix.RLIMIT_CORE: 0}
	if b.Files > 0 {
		limits[unix.RLIMIT_NOFILE] = uint64(b.Files)
	}
	for resource, most := range limits {
		err := unix.Prlimit(pid, resource, &unix.Rlimit{Cur: most, Max: most}, nil)
		switch {
		case err == unix.ESRCH: // it has ended already
		case err == unix.EPERM && other: // see shell
		case err != nil:
			return fmt.Errorf("bounding a process: %w", err)
		}
	}
	// When the machine has no memory left, the kernel takes it from the servers first.
	_ = os.WriteFile("/proc/"+strconv.Itoa(pid)+"/oom_score_adj", []byte("1000"), 0o600)
	return nil
}
