//go:build unix

package stdio

import (
	"os/exec"
	"syscall"
)

// What a process is told at its end.
const (
	terminate = syscall.SIGTERM
	kill      = syscall.SIGKILL
)

// signal sends to the whole process group. A group that is gone is no error.
func signal(cmd *exec.Cmd, s syscall.Signal) { _ = syscall.Kill(-cmd.Process.Pid, s) }
