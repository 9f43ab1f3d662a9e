//go:build unix

package stdio_test

import (
	"strconv"
	"strings"
	"testing"

	wire "github.com/doorward-mcp/doorward/mcp"
)

func TestGarbageOnStandardOutputIsPassedOver(t *testing.T) {
	k := start(t, "scripted")
	id := k.session(t, who("ada"))
	status, h, body := k.post(t, who("ada"), id, call("1", "x/garbage", ""))
	if status != 200 || h.Get("Content-Type") != "application/json" || body != `{"jsonrpc":"2.0","id":1,"result":{}}` {
		t.Errorf("%d %v %s", status, h, body)
	}
	k.log.wait(t, "Listening on port", 1)
}

func TestAProcessThatDiesAnswersWithAnError(t *testing.T) {
	k := start(t, "scripted")
	ada := who("ada")
	id := k.session(t, ada)
	status, _, body := k.post(t, ada, id, call("7", "x/die", ""))
	if status != 200 || !strings.Contains(body, `"id":7`) || !strings.Contains(body, "-32603") {
		t.Errorf("%d %s", status, body)
	}
	if status, _, _ := k.post(t, ada, id, call("8", "x/who", "")); status != 404 {
		t.Errorf("its session afterwards: %d", status)
	}
	// It had answered before: this is no crash loop.
	k.session(t, ada)
}

func TestAStreamWhoseProcessDiesBreaksOff(t *testing.T) {
	k := start(t, "scripted")
	id := k.session(t, who("ada"))
	res, err := k.ask(t.Context(), t, who("ada"), "POST", id, wire.V20251125, call("1", "x/progress-then-die", ""))
	if err != nil {
		t.Fatal(err)
	}
	if body, err := readAll(res.Body); err == nil || !strings.Contains(body, "soon") {
		t.Errorf("the stream ended as if it were whole: %q", body)
	}
}

func TestAFloodHarmsNobody(t *testing.T) {
	k := start(t, "scripted")
	ada := who("ada")
	id := k.session(t, ada)
	if status, _, _ := k.post(t, ada, id, call("1", "x/flood", "")); status != 200 {
		t.Errorf("%d", status)
	}
	k.log.wait(t, "are dropped", 1)
	all, _ := k.log.now()
	if len(all) > 2<<20 {
		t.Errorf("the log has %d bytes", len(all))
	}
}

func TestALineThatIsTooLongEndsTheProcess(t *testing.T) {
	t.Parallel()
	k := start(t, "scripted")
	status, _, body := k.do(t, who("ada"), "POST", "", wire.V20260728, stateless("1", "x/who"))
	if status != 200 {
		t.Fatal(status)
	}
	status, _, answer := k.do(t, who("ada"), "POST", "", wire.V20260728, stateless("1", "x/long-line"))
	if status != 200 || !strings.Contains(answer, "-32603") {
		t.Errorf("%d %.200s", status, answer)
	}
	k.log.wait(t, "longer than 16 MiB", 1)
	gone(t, pid(t, body))
}

func TestAProcessThatDoesNotReadBlocksNobody(t *testing.T) {
	t.Parallel()
	k := start(t, "scripted")
	ada := who("ada")
	id := k.session(t, ada)
	k.post(t, ada, id, call("1", "x/stop-reading", ""))
	large := `{"jsonrpc":"2.0","method":"n","params":{"x":"` + strings.Repeat("a", 1<<20) + `"}}`
	last := 0
	for n := 0; n < 40 && last != 503; n++ {
		last, _, _ = k.post(t, ada, id, large)
	}
	if last != 503 {
		t.Errorf("what is not read is kept without bound: %d", last)
	}
	if status, _, _ := k.post(t, who("bob"), k.session(t, who("bob")), call("1", "x/who", "")); status != 200 {
		t.Errorf("another session: %d", status)
	}
}

func TestAProcessThatIgnoresTheEndIsKilled(t *testing.T) {
	t.Parallel()
	k := start(t, "scripted", "STUBBORN=1")
	_, _, body := k.do(t, who("ada"), "POST", "", wire.V20260728, stateless("1", "x/who"))
	_ = k.Close()
	gone(t, pid(t, body))
	k.log.wait(t, "is killed", 1)
}

func TestChildrenEndWithTheirProcess(t *testing.T) {
	k := start(t, "scripted")
	_, _, body := k.do(t, who("ada"), "POST", "", wire.V20260728, stateless("1", "x/fork"))
	_, after, _ := strings.Cut(body, `"result":`)
	child, err := strconv.Atoi(strings.TrimSuffix(after, "}"))
	if err != nil {
		t.Fatalf("%s: %v", body, err)
	}
	_ = k.Close()
	gone(t, child)
}

// A wrapper such as npx ends when it is told to, and its child, the server, does not.
func TestAStubbornChildEndsWithItsProcess(t *testing.T) {
	t.Parallel()
	k := start(t, "scripted", "CHILD=stubborn ")
	_, _, body := k.do(t, who("ada"), "POST", "", wire.V20260728, stateless("1", "x/fork"))
	_, after, _ := strings.Cut(body, `"result":`)
	child, err := strconv.Atoi(strings.TrimSuffix(after, "}"))
	if err != nil {
		t.Fatalf("%s: %v", body, err)
	}
	_ = k.Close()
	gone(t, child)
}

// A child that has left the group and holds the pipes keeps neither the requests nor the pool.
func TestAChildThatHoldsThePipesHoldsNobodyUp(t *testing.T) {
	t.Parallel()
	k := start(t, "scripted", "OWN_GROUP=1")
	_, _, body := k.do(t, who("ada"), "POST", "", wire.V20260728, stateless("1", "x/fork"))
	_, after, _ := strings.Cut(body, `"result":`)
	child, err := strconv.Atoi(strings.TrimSuffix(after, "}"))
	if err != nil {
		t.Fatalf("%s: %v", body, err)
	}
	t.Cleanup(func() { end(child) })
	status, _, answer := k.do(t, who("ada"), "POST", "", wire.V20260728, stateless("1", "x/die"))
	if status != 200 || !strings.Contains(answer, "-32603") {
		t.Errorf("%d %s", status, answer)
	}
	_ = k.Close()
}
