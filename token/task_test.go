package token_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"

	"github.com/doorward-mcp/doorward/oauth"
	"github.com/doorward-mcp/doorward/token"
)

const taskText = `[{"type":"doorward_task","id":"invoice-7","words":"Pay invoice 7 of Müller & Söhne","tools":["pay","get_invoice","pay"],"expires":1795262400}]`

func parsed(t testing.TB, text string) *token.Task {
	t.Helper()
	task, err := token.ParseTask(text)
	if err != nil {
		t.Fatal(err)
	}
	return task
}

// RFC 9396 §2 and §5: what is no task of ours, to the letter, is invalid_authorization_details.
func TestParseTask(t *testing.T) {
	want := &token.Task{ID: "invoice-7", Words: "Pay invoice 7 of Müller & Söhne", Tools: []string{"get_invoice", "pay"}, Expires: time.Unix(1795262400, 0).UTC()}
	if diff := cmp.Diff(want, parsed(t, taskText)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if task, err := token.ParseTask(""); task != nil || err != nil {
		t.Errorf("nothing: %v, %v", task, err)
	}
	with := func(old, new string) string { return strings.Replace(taskText, old, new, 1) }
	tools := func(n int) string {
		var all []string
		for i := range n {
			all = append(all, fmt.Sprintf("%q", fmt.Sprintf("tool%d", i)))
		}
		return with(`"pay","get_invoice","pay"`, strings.Join(all, ","))
	}
	for _, c := range []struct{ name, text, want string }{
		{"good, without end", with(`,"expires":1795262400`, ""), ""},
		{"good, an end with a fraction", with("1795262400", "1795262400.5"), ""},
		{"good, 64 tools", tools(64), ""},
		{"65 tools", tools(65), "task_tools"},
		{"no JSON", "pay", "malformed_details"},
		{"null", "null", "several_details"},
		{"an object", taskText[1 : len(taskText)-1], "malformed_details"},
		{"an empty array", "[]", "several_details"},
		{"two", strings.TrimSuffix(taskText, "]") + "," + taskText[1:], "several_details"},
		{"an array of null", "[null]", "unknown_type"},
		{"something behind it", taskText + "[]", "malformed_details"},
		{"another type", with("doorward_task", "payment"), "unknown_type"},
		{"the type in another case", with("doorward_task", "Doorward_Task"), "unknown_type"},
		{"no type", with(`"type":"doorward_task",`, ""), "unknown_type"},
		{"an unknown member", with(`"id"`, `"actions":["x"],"id"`), "malformed_details"},
		{"a member in another case", with(`"id"`, `"ID"`), "malformed_details"},
		{"a member twice", with(`"id"`, `"tools":["everything"],"id"`), "malformed_details"},
		{"a later member twice", with(`"expires"`, `"tools":["everything"],"expires"`), "malformed_details"},
		{"no id", with(`"id":"invoice-7",`, ""), "task_text"},
		{"an empty id", with("invoice-7", ""), "task_text"},
		{"a long id", with("invoice-7", strings.Repeat("x", 129)), "task_text"},
		{"no words", with("Pay invoice 7 of Müller & Söhne", ""), "task_text"},
		{"blank words", with("Pay invoice 7 of Müller & Söhne", "   "), "task_text"},
		{"a newline", with("Pay invoice", `Pay\ninvoice`), "task_text"},
		{"an escape sequence", with("Pay invoice", `Pay\u001b[2Jinvoice`), "task_text"},
		{"a right-to-left override", with("Pay invoice", `Pay\u202einvoice`), "task_text"},
		{"an isolate", with("Pay invoice", `Pay\u2066invoice`), "task_text"},
		{"a zero-width space", with("Pay invoice", `Pay\u200binvoice`), "task_text"},
		{"a line separator", with("Pay invoice", `Pay\u2028invoice`), "task_text"},
		{"a private-use character", with("Pay invoice", `Pay\ue000invoice`), "task_text"},
		{"bytes that are no UTF-8", with("Pay invoice", "Pay\xffinvoice"), "malformed_details"},
		{"half a character", with("Pay invoice", `Pay\ud800invoice`), "malformed_details"},
		{"no tools", with(`"tools":["pay","get_invoice","pay"],`, ""), "task_tools"},
		{"an empty list of tools", with(`"pay","get_invoice","pay"`, ""), "task_tools"},
		{"tools as text", with(`["pay","get_invoice","pay"]`, `"pay"`), "malformed_details"},
		{"a tool without name", with(`"get_invoice"`, `""`), "task_tools"},
		{"a tool with a long name", with(`get_invoice`, strings.Repeat("x", 129)), "task_tools"},
		{"a tool with a bidi character", with(`get_invoice`, `get\u202einvoice`), "task_tools"},
		{"an end of text", with("1795262400", `"tomorrow"`), "malformed_details"},
		{"an end of null", with("1795262400", "null"), "malformed_details"},
		{"an end at the beginning of time", with("1795262400", "0"), "malformed_details"},
		{"an end before it", with("1795262400", "-5"), "malformed_details"},
		{"an end beyond all clocks", with("1795262400", "1e300"), "malformed_details"},
		{"too long", with("Pay", strings.Repeat("x", 4<<10)), "too_long"},
	} {
		task, err := token.ParseTask(c.text)
		var e *oauth.Error
		if c.want == "" {
			if err != nil || task == nil {
				t.Errorf("%s: %v", c.name, err)
			}
			continue
		}
		if task != nil || !errors.As(err, &e) || e.Reason != c.want || e.Status != 400 || e.Code != "invalid_authorization_details" {
			t.Errorf("%s: %v, %#v, want %s", c.name, task, err, c.want)
		}
	}
}

// A part of a task is within it, and nothing else is.
func TestWithin(t *testing.T) {
	outer := &token.Task{ID: "a", Words: "w", Tools: []string{"x", "y"}, Expires: noon}
	endless := &token.Task{ID: "a", Words: "w", Tools: []string{"x", "y"}}
	var none *token.Task
	for _, c := range []struct {
		name  string
		t, in *token.Task
		want  bool
	}{
		{"itself", outer, outer, true}, {"less tools", &token.Task{ID: "a", Words: "w", Tools: []string{"y"}, Expires: noon}, outer, true},
		{"an earlier end", &token.Task{ID: "a", Words: "w", Tools: []string{"x"}, Expires: noon.Add(-1)}, outer, true},
		{"an end where there was none", outer, endless, true}, {"anything in no task", outer, none, true}, {"no task in no task", none, none, true},
		{"no task", none, outer, false}, {"another id", &token.Task{ID: "b", Words: "w", Tools: []string{"x"}, Expires: noon}, outer, false},
		{"other words", &token.Task{ID: "a", Words: "W", Tools: []string{"x"}, Expires: noon}, outer, false},
		{"a tool more", &token.Task{ID: "a", Words: "w", Tools: []string{"x", "z"}, Expires: noon}, outer, false},
		{"a later end", &token.Task{ID: "a", Words: "w", Tools: []string{"x"}, Expires: noon.Add(1)}, outer, false},
		{"no end", endless, outer, false},
	} {
		if got := c.t.Within(c.in); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}

// A task leaves its tools and what shows nothing; a method that nobody knew of when this was written is not in it.
func TestAllows(t *testing.T) {
	task, none := parsed(t, taskText), (*token.Task)(nil)
	for _, c := range []struct {
		method, name string
		want         bool
	}{
		{"tools/call", "pay", true}, {"tools/call", "get_invoice", true}, {"tools/call", "Pay", false}, {"tools/call", "delete", false}, {"tools/call", "", false},
		{"initialize", "", true}, {"ping", "", true}, {"server/discover", "", true}, {"logging/setLevel", "", true}, {"tools/list", "", true}, {"prompts/list", "", true},
		{"resources/list", "", true}, {"resources/templates/list", "", true}, {"subscriptions/listen", "", true}, {"notifications/cancelled", "", true},
		{"resources/read", "pay", false}, {"resources/subscribe", "pay", false}, {"resources/unsubscribe", "pay", false}, {"prompts/get", "pay", false}, {"completion/complete", "pay", false},
		{"tasks/get", "pay", false}, {"tasks/result", "pay", false}, {"tasks/cancel", "pay", false}, {"tasks/list", "", false}, {"vendor/pay", "pay", false}, {"", "pay", false}, {"TOOLS/CALL", "pay", false},
	} {
		if got := task.Allows(c.method, c.name); got != c.want || !none.Allows(c.method, c.name) {
			t.Errorf("%s %s: %v", c.method, c.name, got)
		}
	}
}

// A token whose task cannot be read would otherwise be wider than its task: it is refused. Details of types that are not ours
// are no business of ours unless a task of ours stands among them.
func TestATaskInAToken(t *testing.T) {
	k := key(t)
	v := verifier(ring(t, k))
	for _, c := range []struct{ name, details, want string }{
		{"a task", taskText, ""},
		{"another type", `[{"type":"payment","amount":5}]`, ""},
		{"an empty list", `[]`, ""},
		{"a task among others", `[{"type":"payment"},` + taskText[1:], "task"},
		{"two tasks", strings.TrimSuffix(taskText, "]") + "," + taskText[1:], "task"},
		{"a task with an unknown member", strings.Replace(taskText, `"id"`, `"more":1,"id"`, 1), "task"},
		{"a task without tools", strings.Replace(taskText, `"pay","get_invoice","pay"`, "", 1), "task"},
		{"no list", `{"type":"doorward_task"}`, "task"},
		{"null", `null`, "task"},
		{"text", `"doorward_task"`, "task"},
		{"a type that is no text", `[{"type":["doorward_task"]}]`, "task"},
	} {
		got, err := v.Verify(t.Context(), noon, signed(t, jose.ES256, k.Private, k.ID, claim("authorization_details", json.RawMessage(c.details))), "")
		if reasonOf(t, err) != c.want || c.want == "" && (got.Task != nil) != (c.name == "a task") {
			t.Errorf("%s: %+v, %v", c.name, got.Task, err)
		}
	}
}

// A task that has an end of its own ends the token, and with it the streams, also where another issuer gave the token a later one.
func TestATaskEndsItsToken(t *testing.T) {
	k := key(t)
	for _, c := range []struct {
		task, token time.Duration // from noon
		end         time.Duration
	}{{0, time.Hour, time.Hour}, {time.Minute, time.Hour, time.Minute}, {2 * time.Hour, time.Hour, time.Hour}} {
		task := &token.Task{ID: "t", Words: "w", Tools: []string{"a"}}
		if c.task > 0 {
			task.Expires = noon.Add(c.task)
		}
		raw, err := ring(t, k).Access(noon, token.Claims{Principal: token.Principal{Issuer: issuer, Subject: "s"}, Client: "c", ID: "j", Resource: resource, Expires: noon.Add(c.token), Task: task})
		if err != nil {
			t.Fatal(err)
		}
		v := verifier(ring(t, k))
		who, err := v.Verify(t.Context(), noon.Add(c.end+token.Leeway-time.Second), raw, "")
		if err != nil || !who.End().Equal(noon.Add(c.end)) {
			t.Errorf("%+v: %v, it ends at %s", c, err, who.End())
		}
		if _, err := v.Verify(t.Context(), noon.Add(c.end+token.Leeway), raw, ""); err == nil {
			t.Errorf("%+v: it is good after its end", c)
		}
	}
}

// What is taken once is taken again as it stands in a token, and says the same.
func FuzzParseTask(f *testing.F) {
	f.Add(taskText)
	f.Add(`[{"type":"doorward_task","id":"<\"&>","words":"\u00a0x\\","tools":["a"],"expires":1e9}]`)
	f.Add(`[{"type":"doorward_task","id":"a","words":"w","tools":["a"],"tools":["b"]}]`)
	f.Add(`[]`)
	f.Fuzz(func(t *testing.T, text string) {
		task, err := token.ParseTask(text)
		var e *oauth.Error
		if err != nil && (task != nil || !errors.As(err, &e)) {
			t.Fatalf("%q: %v, %v", text, task, err)
		}
		if task == nil {
			return
		}
		k := key(t)
		raw, err := ring(t, k).Access(noon, token.Claims{Principal: token.Principal{Issuer: issuer, Subject: "s"}, Client: "c", ID: "j", Resource: resource, Expires: noon.Add(time.Minute), Task: task})
		if err != nil {
			t.Fatal(err)
		}
		c, err := verifier(ring(t, k)).Verify(t.Context(), noon, raw, "")
		if len(raw) > 16<<10 {
			return
		}
		// A task that has ended is good for nothing, whatever the token says of its own end.
		if over := !task.Expires.IsZero() && !noon.Before(task.Expires.Add(token.Leeway)); over {
			if !errors.As(err, &e) || e.Reason != "expired" {
				t.Errorf("%q is over: %v", text, err)
			}
			return
		}
		if err != nil || !cmp.Equal(c.Task, task) || !c.Task.Within(task) || !task.Within(c.Task) {
			t.Errorf("%q becomes %+v: %v", text, c.Task, err)
		}
	})
}
