//go:build unix

package stdio_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// role is the variable that makes the test's own binary a server.
const role = "STDIO_TEST_ROLE"

func TestMain(m *testing.M) {
	if r := os.Getenv(role); r != "" {
		serve(r)
		return
	}
	os.Exit(m.Run())
}

// serve is a server that speaks stdio: a good one, or one of the bad ones.
func serve(r string) {
	if d, err := time.ParseDuration(os.Getenv("START_DELAY")); err == nil {
		fmt.Fprintln(os.Stderr, "loading, with the key 4711")
		time.Sleep(d)
	}
	switch r {
	case "hostile":
		hostile()
	case "sdk":
		sdkServer()
	case "dies":
		fmt.Fprintln(os.Stderr, "the secret of this server is 4711")
		os.Exit(3)
	case "parent":
		parent()
	case "stubborn child":
		signal.Ignore(syscall.SIGTERM)
		select {}
	case "child": // holds what it inherited until it is ended
		select {}
	default:
		scripted()
	}
}

type nothing struct{}

func sdkServer() {
	s := mcp.NewServer(&mcp.Implementation{Name: "sdk", Version: "1"}, nil)
	mcp.AddTool(s, &mcp.Tool{Name: "meta"}, func(_ context.Context, r *mcp.CallToolRequest, _ nothing) (*mcp.CallToolResult, any, error) {
		meta, _ := json.Marshal(r.Params.Meta)
		return said(string(meta)), nil, nil
	})
	mcp.AddTool(s, &mcp.Tool{Name: "pid"}, func(context.Context, *mcp.CallToolRequest, nothing) (*mcp.CallToolResult, any, error) {
		return said(fmt.Sprint(os.Getpid())), nil, nil
	})
	mcp.AddTool(s, &mcp.Tool{Name: "progress"}, func(ctx context.Context, r *mcp.CallToolRequest, _ nothing) (*mcp.CallToolResult, any, error) {
		for i := range 3 {
			_ = r.Session.NotifyProgress(ctx, &mcp.ProgressNotificationParams{ProgressToken: r.Params.GetProgressToken(), Progress: float64(i + 1)})
		}
		return said("done"), nil, nil
	})
	mcp.AddTool(s, &mcp.Tool{Name: "ask"}, func(ctx context.Context, r *mcp.CallToolRequest, _ nothing) (*mcp.CallToolResult, any, error) {
		res, err := r.Session.Elicit(ctx, &mcp.ElicitParams{Message: "may I?"})
		if err != nil {
			return nil, nil, err
		}
		return said(res.Action), nil, nil
	})
	mcp.AddTool(s, &mcp.Tool{Name: "hang"}, func(ctx context.Context, _ *mcp.CallToolRequest, _ nothing) (*mcp.CallToolResult, any, error) {
		fmt.Fprintln(os.Stderr, "hanging")
		<-ctx.Done()
		fmt.Fprintln(os.Stderr, "cancelled")
		return nil, nil, ctx.Err()
	})
	_ = s.Run(context.Background(), &mcp.StdioTransport{})
}

func said(text string) *mcp.CallToolResult {
	return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: text}}}
}

// request is what a scripted server reads.
type request struct {
	ID     json.RawMessage `json:"id"`
	Method string          `json:"method"`
	Params json.RawMessage `json:"params"`
	line   string
}

// scripted does what the method says. Its answers are the line that it read, unless the method wants something else.
func scripted() {
	in := bufio.NewReader(os.Stdin)
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			if os.Getenv("STUBBORN") != "" {
				signal.Ignore(syscall.SIGTERM)
				select {}
			}
			return
		}
		var all []request
		if strings.HasPrefix(line, "[") {
			_ = json.Unmarshal([]byte(line), &all)
		} else {
			all = make([]request, 1)
			_ = json.Unmarshal([]byte(line), &all[0])
		}
		for _, r := range all {
			r.line = strings.TrimSuffix(line, "\n")
			r.act()
		}
	}
}

func (r request) answer(result string) {
	fmt.Printf(`{"jsonrpc":"2.0","id":%s,"result":%s}`+"\n", r.ID, result)
}

func (r request) act() {
	quoted, _ := json.Marshal(r.line)
	switch r.Method {
	case "x/garbage":
		fmt.Println("Listening on port 3000")
		fmt.Println("{\"jsonrpc\":\"2.0\"")
		fmt.Println(`{"jsonrpc":"2.0","id":"nobody asked","result":{}}`)
		fmt.Println()
		r.answer(`{}`)
	case "x/die":
		os.Exit(1)
	case "x/progress-then-die":
		fmt.Println(`{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":"soon"}}`)
		os.Exit(1)
	case "x/silent":
		fmt.Fprintln(os.Stderr, r.line)
	case "x/log-then-silent":
		fmt.Println(`{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":"soon"}}`)
	case "x/flood":
		for range 2000 {
			fmt.Fprintln(os.Stderr, strings.Repeat("flood ", 4000))
			fmt.Println(`{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}`)
		}
		r.answer(`{}`)
	case "x/long-line":
		fmt.Println(`{"jsonrpc":"2.0","id":1,"result":"` + strings.Repeat("a", 17<<20) + `"}`)
		select {}
	case "x/fork":
		c := exec.Command(os.Args[0])
		c.Env = append(os.Environ(), role+"="+os.Getenv("CHILD")+"child")
		c.Stdin, c.Stdout, c.Stderr = os.Stdin, os.Stdout, os.Stderr
		if os.Getenv("OWN_GROUP") != "" {
			c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
		}
		if err := c.Start(); err != nil {
			panic(err)
		}
		r.answer(fmt.Sprint(c.Process.Pid))
	case "x/stop-reading":
		r.answer(`{}`)
		select {}
	case "x/ask":
		fmt.Println(`{"jsonrpc":"2.0","id":"s1","method":"sampling/createMessage","params":{}}`)
	case "x/announce":
		fmt.Println(`{"jsonrpc":"2.0","method":"notifications/resources/list_changed"}`)
		r.answer(`{}`)
	case "x/slowly":
		time.Sleep(10 * time.Millisecond)
		r.answer(`{}`)
	case "x/eat", "x/spawn", "x/try", "x/chatter":
		r.misbehave()
	case "x/environment":
		env, _ := json.Marshal(os.Environ())
		r.answer(string(env))
	case "x/carriage":
		_, _ = io.WriteString(os.Stdout, "{\"jsonrpc\":\"2.0\",\r\"method\":\"notifications/message\",\"params\":{}}\r\n")
		r.answer(`{}`)
	case "x/refuse":
		fmt.Printf(`{"jsonrpc":"2.0","id":%s,"error":{"code":-32601,"message":"no"}}`+"\n", r.ID)
	default:
		if r.ID != nil && r.Method != "" {
			r.answer(`{"line":` + string(quoted) + `,"pid":` + fmt.Sprint(os.Getpid()) + `}`)
			return
		}
		fmt.Fprintln(os.Stderr, r.line)
	}
}
