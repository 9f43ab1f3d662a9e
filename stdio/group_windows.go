package stdio

import (
	"os/exec"
	"syscall"
)

// What a process is told at its end. There is no SIGTERM on Windows: after its input was closed, it is ended.
const (
	terminate = syscall.SIGTERM
	kill      = syscall.SIGKILL
)

// setGroup keeps Ctrl+C of our console from the process.
func setGroup(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{CreationFlags: syscall.CREATE_NEW_PROCESS_GROUP}
}

// signal ends the process. Its children see their standard input close.
func signal(cmd *exec.Cmd, _ syscall.Signal) { _ = cmd.Process.Kill() }
