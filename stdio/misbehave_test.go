//go:build unix

package stdio_test

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// misbehave does what a server that was taken over would try. The answer says what became of it.
func (r request) misbehave() {
	var p struct {
		What, Path string
		N          int
		Meta       struct{ ProgressToken string } `json:"_meta"`
	}
	_ = json.Unmarshal(r.Params, &p)
	switch r.Method {
	case "x/eat":
		all := make([][]byte, 0, p.N)
		for range p.N {
			page := make([]byte, 1<<20)
			for i := range page {
				page[i] = byte(i)
			}
			all = append(all, page)
			time.Sleep(5 * time.Millisecond)
		}
		r.answer(fmt.Sprint(len(all)))
	case "x/chatter":
		for i := range 5000 {
			fmt.Printf(`{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":%q,"progress":%d,"message":"%01000d"}}`+"\n", p.Meta.ProgressToken, i+1, i)
		}
		r.answer(`{}`)
	case "x/spawn":
		for range p.N {
			c := exec.Command(os.Args[0])
			c.Env = append(os.Environ(), role+"=child", "START_DELAY=")
			if err := c.Start(); err != nil {
				break
			}
		}
		time.Sleep(3 * time.Second)
		r.answer(`"spawned"`)
	case "x/try":
		out := "done"
		if err := try(p.What, p.Path); err != nil {
			out = err.Error()
		}
		text, _ := json.Marshal(out)
		r.answer(string(text))
	}
}

func try(what, path string) error {
	switch what {
	case "read":
		_, err := os.ReadFile(path)
		return err
	case "write":
		return os.WriteFile(path, []byte("x"), 0o600)
	case "truncate":
		return os.Truncate(path, 0)
	case "execute":
		return exec.Command(path).Run()
	case "connect":
		c, err := net.Dial("unix", path)
		if err == nil {
			_ = c.Close()
		}
		return err
	case "listen":
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err == nil {
			_ = l.Close()
		}
		return err
	case "datagram":
		pair, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_DGRAM, 0)
		if err == nil {
			_ = syscall.Close(pair[0])
		}
		return err
	case "signal":
		return syscall.Kill(os.Getppid(), 0)
	case "status":
		status, err := os.ReadFile("/proc/self/status")
		return fmt.Errorf("%s%w", status, err)
	case "who":
		files := syscall.Rlimit{}
		_ = syscall.Getrlimit(syscall.RLIMIT_NOFILE, &files)
		return fmt.Errorf("uid %d gid %d home %s files %d", os.Getuid(), os.Getgid(), os.Getenv("HOME"), files.Max)
	case "chown": // for root, a use of its powers
		return os.Chown(path, 12345, 12345)
	}
	return nil
}
