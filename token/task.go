package token

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"

	strict "github.com/go-json-experiment/json"

	"github.com/doorward-mcp/doorward/oauth"
)

// Task narrows a token to one piece of work: the authorization_details (RFC 9396) of the one type TaskType. The nil Task
// narrows nothing. Only ParseTask judges the text in it: a Task made by hand may be one that no verifier takes.
type Task struct {
	ID, Words string    // what the work is called, and what a person reads about it
	Tools     []string  // sorted, each once: the tools that it may call
	Expires   time.Time // zero: it has no end of its own
}

const (
	taskSize  = 4 << 10 // bytes of authorization_details that a stranger may send
	taskTools = 64
	taskName  = 128 // bytes of an id or of a tool's name
)

// detail is the one object that authorization_details of ours hold. RFC 9396 §2: a type decides its own members.
type detail struct {
	Type    string   `json:"type"`
	ID      string   `json:"id"`
	Words   string   `json:"words"`
	Tools   []string `json:"tools"`
	Expires end      `json:"expires,omitzero"`
}

// end is a NumericDate that says something when it is there: neither null nor the beginning of time.
type end seconds

func (e *end) UnmarshalJSON(b []byte) error {
	var s seconds
	if err := s.UnmarshalJSON(b); err != nil {
		return err
	}
	if s == 0 {
		return errors.New("an end that is no time")
	}
	*e = end(s)
	return nil
}

// ParseTask reads an authorization_details parameter; the empty one is no Task. It is strict: RFC 9396 §5 has unknown
// types, unknown and missing members and wrong values refused, and a person will read what it takes. Whether the end is
// still to come is not judged. The error is an *oauth.Error with code invalid_authorization_details.
func ParseTask(details string) (*Task, error) {
	if details == "" {
		return nil, nil
	}
	if len(details) > taskSize {
		return nil, badDetails("too_long", "authorization_details are longer than 4 KiB")
	}
	return parseTask([]byte(details))
}

func parseTask(details []byte) (*Task, error) {
	var all []detail
	if err := strict.Unmarshal(details, &all, strict.RejectUnknownMembers(true)); err != nil {
		return nil, badDetails("malformed_details", "authorization_details are not an array of one object with type, id, words, tools and perhaps expires")
	}
	if len(all) != 1 {
		return nil, badDetails("several_details", "authorization_details name exactly one task")
	}
	d := all[0]
	if d.Type != TaskType {
		return nil, badDetails("unknown_type", "the one type of authorization_details is "+TaskType)
	}
	if !shown(d.ID, taskName) || !shown(d.Words, taskSize) {
		return nil, badDetails("task_text", "the id and the words of a task are text that a person can read, the id at most 128 bytes")
	}
	if len(d.Tools) == 0 || len(d.Tools) > taskTools {
		return nil, badDetails("task_tools", fmt.Sprintf("a task names 1 to %d tools", taskTools))
	}
	if slices.ContainsFunc(d.Tools, func(name string) bool { return !shown(name, taskName) }) {
		return nil, badDetails("task_tools", "the name of a tool is text that a person can read, at most 128 bytes")
	}
	slices.Sort(d.Tools)
	return &Task{d.ID, d.Words, slices.Compact(d.Tools), seconds(d.Expires).time()}, nil
}

// shown reports whether a page can show text as it is: no control characters, nothing that turns the direction of
// writing or that is invisible (Unicode categories C and Z but for the plain spaces), and not blank.
func shown(text string, most int) bool {
	odd := func(r rune) bool { return !unicode.IsGraphic(r) || r == unicode.ReplacementChar }
	return len(text) <= most && strings.TrimSpace(text) != "" && !strings.ContainsFunc(text, odd)
}

func badDetails(reason, description string) *oauth.Error {
	return &oauth.Error{Status: 400, Code: "invalid_authorization_details", Reason: reason, Description: description}
}

// taskOf is the Task of a token's authorization_details. Elements of types that are not ours are somebody else's
// business; a task that cannot be read narrows by nobody knows what, so it is an error.
func taskOf(details json.RawMessage) (*Task, error) {
	if len(details) == 0 {
		return nil, nil
	}
	var all []struct {
		Type string `json:"type"`
	}
	if err := strict.Unmarshal(details, &all); err != nil || all == nil {
		return nil, badDetails("malformed_details", "authorization_details are not an array of objects with a type")
	}
	for _, d := range all {
		if d.Type == TaskType {
			return parseTask(details)
		}
	}
	return nil, nil
}

// Details is the task as it stands in a token; nil for no task.
func (t *Task) Details() json.RawMessage {
	if t == nil {
		return nil
	}
	b, err := json.Marshal([]detail{{TaskType, t.ID, t.Words, t.Tools, end(toSeconds(t.Expires))}})
	if err != nil {
		panic("token: a task of strings cannot fail to encode: " + err.Error())
	}
	return b
}

// Within reports whether t is the piece of work that outer is, or a part of it: the same id and words, no tool more, no
// later end. Everything is within no task; no task is within none but that.
func (t *Task) Within(outer *Task) bool {
	switch {
	case outer == nil:
		return true
	case t == nil, t.ID != outer.ID, t.Words != outer.Words:
		return false
	case !outer.Expires.IsZero() && (t.Expires.IsZero() || t.Expires.After(outer.Expires)):
		return false
	}
	return !slices.ContainsFunc(t.Tools, func(name string) bool { return !slices.Contains(outer.Tools, name) })
}

// Allows reports whether the task leaves a caller an MCP method, and for tools/call the tool of that name: its own
// tools, and what shows no content and changes nothing. A method that it does not know is not in it. No task allows all.
func (t *Task) Allows(method, name string) bool {
	if t == nil {
		return true
	}
	switch method {
	case "tools/call":
		return slices.Contains(t.Tools, name)
	case "initialize", "ping", "server/discover", "logging/setLevel", "tools/list", "prompts/list", "resources/list",
		"resources/templates/list", "subscriptions/listen":
		return true
	}
	return strings.HasPrefix(method, "notifications/")
}
