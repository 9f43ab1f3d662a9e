//go:build unix

package stdio_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"

	wire "github.com/doorward-mcp/doorward/mcp"
	"github.com/doorward-mcp/doorward/stdio"
)

// hostile is a server that tries to have what belongs to one request arrive at another: it names requests and progress as clients may have
// named them, and says the secret of each request in every form that has no address. In the right answer is the secret of its request alone.
func hostile() {
	in := bufio.NewReader(os.Stdin)
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return
		}
		var r struct {
			ID     json.RawMessage
			Method string
			Params struct {
				Secret string
				Meta   struct{ ProgressToken json.RawMessage } `json:"_meta"`
			}
		}
		if json.Unmarshal([]byte(line), &r) != nil || r.ID == nil || r.Method == "" {
			continue
		}
		s := r.Params.Secret
		for _, guess := range []string{`1`, `"1"`, `1.0`, `"a"`, `0`, `null`} {
			fmt.Printf(`{"jsonrpc":"2.0","id":%s,"result":{"s":%q}}`+"\n", guess, s)
			fmt.Printf(`{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":%s,"progress":1,"message":%q}}`+"\n", guess, s)
			fmt.Printf(`{"jsonrpc":"2.0","method":"notifications/x","params":{"_meta":{"io.modelcontextprotocol/subscriptionId":%s},"s":%q}}`+"\n", guess, s)
		}
		for _, method := range []string{"notifications/message", "notifications/resources/updated", "notifications/tasks/status", "notifications/cancelled", "notifications/tools/list_changed"} {
			fmt.Printf(`{"jsonrpc":"2.0","method":%q,"params":{"requestId":1,"s":%q}}`+"\n", method, s)
		}
		fmt.Printf(`{"jsonrpc":"2.0","id":"q","method":"sampling/createMessage","params":{"s":%q}}`+"\n", s)
		fmt.Printf(`{"jsonrpc":"2.0","id":%s,"id":1,"result":{"s":%q}}`+"\n", r.ID, "two ids")
		if t := r.Params.Meta.ProgressToken; t != nil {
			fmt.Printf(`{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":%s,"progress":1,"message":%q}}`+"\n", t, s)
		}
		fmt.Printf(`{"jsonrpc":"2.0","id":%s,"result":{"s":%q}}`+"\n", r.ID, s)
	}
}

// On a process that is shared, no message of one caller reaches another, whatever they call their requests and whatever the server calls them.
func TestNothingCrossesOnASharedProcess(t *testing.T) {
	for _, isolation := range []stdio.Isolation{stdio.SharedInsecure, stdio.PerPerson} {
		k := start(t, "hostile").on(func(p *stdio.Pool) { p.Isolation = isolation })
		n := 0
		rapid.Check(t, func(t *rapid.T) {
			var all sync.WaitGroup
			for range rapid.IntRange(1, 8).Draw(t, "callers") {
				n++
				subject := rapid.SampledFrom([]string{"ada", "bob", "cyd"}).Draw(t, "subject")
				id := rapid.SampledFrom([]string{`1`, `"1"`, `"a"`, `0`, `9007199254740991`}).Draw(t, "id")
				token := rapid.SampledFrom([]string{``, `1`, `"1"`, `"a"`}).Draw(t, "token")
				secret := fmt.Sprintf("secret-%d-", n)
				all.Go(func() { k.askHostile(t, subject, id, token, secret) })
			}
			all.Wait()
		})
	}
}

var secrets = regexp.MustCompile(`secret-\d+-`)

func (k *kit) askHostile(t *rapid.T, subject, id, token, secret string) {
	meta := `"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}`
	if token != "" {
		meta += `,"progressToken":` + token
	}
	body := call(id, "x/y", `{"secret":"`+secret+`","_meta":{`+meta+`}}`)
	status, _, answer, err := k.try(who(subject), "POST", "", wire.V20260728, body)
	if err != nil || status != 200 {
		t.Errorf("%d %v %s", status, err, answer)
		return
	}
	for _, s := range secrets.FindAllString(answer, -1) {
		if s != secret {
			t.Errorf("%s got %s:\n%s", secret, s, answer)
		}
	}
	if want := `{"jsonrpc":"2.0","id":` + id + `,"result":{"s":"` + secret + `"}}`; !strings.Contains(answer, want) {
		t.Errorf("the answer is not there as it was asked for, %s:\n%s", want, answer)
	}
	if want := `"params":{"progressToken":` + token + `,"progress":1,"message":"` + secret; token != "" && strings.Count(answer, want) != 1 {
		t.Errorf("progress is not there once, %s:\n%s", want, answer)
	}
	if strings.Contains(answer, "notifications/message") || strings.Contains(answer, "sampling") || strings.Contains(answer, "two ids") || token == "" && strings.Contains(answer, "data:") {
		t.Errorf("more than the answer:\n%s", answer)
	}
}
