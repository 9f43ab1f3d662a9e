//go:build unix && !linux

package stdio

import (
	"os/exec"
	"syscall"
)

// setGroup gives a process a group of its own. When we are killed, it sees its standard input close.
func setGroup(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }
