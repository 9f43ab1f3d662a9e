//go:build !linux

package stdio

import (
	"fmt"
	"os/exec"
	"runtime"
)

// possible says what of the confinement there is here: nothing.
func (c Confinement) possible() error {
	if c == (Confinement{}) {
		return nil
	}
	return fmt.Errorf("user, group and sandbox are for Linux, and this is %s: %w", runtime.GOOS, ErrUnconfined)
}

// possible says what of the bounds there is here.
func (b Bounds) possible() error {
	if b.Memory == 0 && b.Files == 0 && b.Processes == 0 {
		return nil
	}
	return fmt.Errorf("bounds of memory, files and processes are for Linux, and this is %s: %w", runtime.GOOS, ErrUnconfined)
}

// start starts a command as it is confined, and gives what waits for its end.
func (c Confinement) start(cmd *exec.Cmd, _ Bounds) (wait func() error, err error) {
	if err := c.possible(); err != nil {
		return nil, err
	}
	return cmd.Wait, cmd.Start()
}

func (c Confinement) environment() []string { return nil }
