package stdio

import (
	"os/exec"
	"syscall"
)

// setGroup gives a process a group of its own, and has it killed when we are. See run for the thread.
func setGroup(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
