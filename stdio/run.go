package stdio

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"time"
)

// maxLine is the longest line of a process; one that says a longer one is ended.
const maxLine = 16 << 20

var errLine = fmt.Errorf("a line of the server is longer than %d MiB", maxLine>>20)

// pipes are our ends of a process's standard streams.
type pipes struct{ in, out, err *os.File }

// run is the life of a process.
func (q *process) run() {
	cmd, wait, ours, err := q.start()
	if err != nil {
		q.failure = err
		q.log.Error("starting the server process", "error", err)
		q.dead("it could not be started")
		close(q.started)
		close(q.exited)
		q.fall()
		close(q.ended)
		return
	}
	q.log.Info("server process started", "pid", cmd.Process.Pid)
	q.cmd = cmd
	heard := make(chan struct{})
	go q.input.run(ours.in)
	go q.voice.run(ours.err, &q.complained)
	go func() { defer close(heard); q.listen(ours.out) }()
	close(q.started)
	go q.starting()
	err = wait()
	close(q.exited)
	q.sweep(cmd, ours, heard)
	q.log.Info("server process ended", "pid", cmd.Process.Pid, "how", how(err))
	q.fall()
	close(q.ended)
}

// how is the way in which a process ended, in words.
func how(err error) string {
	if err == nil {
		return "by itself"
	}
	return err.Error()
}

// start starts the process. wait is to be called, once.
func (q *process) start() (cmd *exec.Cmd, wait func() error, ours pipes, err error) {
	if len(q.pool.Command) == 0 {
		return nil, nil, pipes{}, errors.New("no command is given")
	}
	var files []*os.File // ours and theirs in turn
	for range 3 {
		r, w, err := os.Pipe()
		if err != nil {
			closeAll(files)
			return nil, nil, pipes{}, err
		}
		files = append(files, r, w)
	}
	cmd = exec.Command(q.pool.Command[0], q.pool.Command[1:]...)
	cmd.Env, cmd.Dir = environment(append(q.pool.Confine.environment(), q.pool.Env...)), q.pool.Dir
	cmd.Stdin, cmd.Stdout, cmd.Stderr = files[0], files[3], files[5]
	setGroup(cmd)
	if wait, err = q.pool.Confine.start(cmd, q.pool.Bounds); err != nil {
		closeAll(files)
		return nil, nil, pipes{}, err
	}
	closeAll([]*os.File{files[0], files[3], files[5]})
	return cmd, wait, pipes{files[1], files[2], files[4]}, nil
}

func closeAll(files []*os.File) {
	for _, f := range files {
		_ = f.Close()
	}
}

// sweep ends what a process has left behind: children of its group, and whoever else holds its pipes.
func (q *process) sweep(cmd *exec.Cmd, ours pipes, heard <-chan struct{}) {
	// What it said before it ended may still be in the pipe.
	t := time.NewTimer(grace)
	defer t.Stop()
	signal(cmd, terminate)
	select {
	case <-heard:
	case <-t.C:
	}
	q.dead("it is gone")
	signal(cmd, kill)
	closeAll([]*os.File{ours.in, ours.out, ours.err})
	t.Reset(grace)
	select {
	case <-heard:
	case <-t.C: // where closing a pipe does not end a read of it
	}
}

// listen reads what the process says until it says nothing more.
func (q *process) listen(out io.Reader) {
	r := bufio.NewReaderSize(out, 64<<10)
	for {
		text, err := readLine(r)
		if len(bytes.TrimSpace(text)) > 0 {
			q.hear(text)
		}
		if err == nil {
			continue
		}
		if errors.Is(err, errLine) {
			q.log.Error("ending a server process", "error", err)
		}
		// Without its output it is of no use, whether it runs or not.
		q.dead("it says nothing more")
		return
	}
}

// readLine returns the next line, which is the caller's.
func readLine(r *bufio.Reader) ([]byte, error) {
	var text []byte
	for {
		part, err := r.ReadSlice('\n')
		text = append(text, part...)
		if len(text) > maxLine {
			return nil, errLine
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return text, err
		}
	}
}
