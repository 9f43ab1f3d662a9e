package cedar

import (
	"fmt"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/doorward-mcp/doorward/mcp"
)

// Difference is what a definition says otherwise than the accepted one of its name that is most like it, as a unified difference
// of lines: whatever stands in it, the description and every part of a schema. Characters that cannot be seen are escaped: what a
// server wants to slip past a reader hides there. It is empty for a definition that is accepted. The error is
// that of what is no definition of anything; one that could not be accepted is compared all the same.
func (d *Definitions) Difference(kind string, raw jsontext.Value) (string, error) {
	name, one, _, err := nameDefinition(kind, raw)
	if err != nil {
		return "", err
	}
	old, was, least := []string(nil), "nothing", -1
	next := readable(one.raw)
	for _, accepted := range d.of[mcp.Item{Kind: kind, Name: name}] {
		if accepted.hash == one.hash {
			return "", nil
		}
		lines := readable(accepted.raw)
		if n := changed(edits(lines, next)); least < 0 || n <= least {
			old, was, least = lines, accepted.hash.String(), n
		}
	}
	var b strings.Builder
	fmt.Fprintf(&b, "--- %s %s\n+++ %s %s\n", visible(name), was, visible(name), one.hash)
	unified(&b, edits(old, next))
	return b.String(), nil
}

// readable is a definition in lines: long texts are broken after line ends and sentences, so that a sentence that was slipped in
// stands alone.
func readable(raw jsontext.Value) (lines []string) {
	for line := range strings.Lines(string(pretty(raw))) {
		line = strings.TrimRight(line, "\n")
		rest := strings.TrimLeft(line, " ")
		indent := line[:len(line)-len(rest)]
		deeper := indent + "    "
		for rest != "" {
			at := broken(rest)
			lines = append(lines, indent+rest[:at])
			rest = rest[at:]
			indent = deeper
		}
	}
	return lines
}

// broken is where a line is broken: behind an escaped line end or a sentence, or at its end.
func broken(line string) int {
	for i := 0; i+2 < len(line); i++ {
		switch {
		case line[i] == '\\' && line[i+1] == 'n' && line[i+2] != '"':
			return i + 2
		case line[i] == '\\':
			i++
		case line[i] == '.' && line[i+1] == ' ' && line[i+2] != ' ':
			return i + 2
		}
	}
	return len(line)
}

// edit is a line that is kept (' '), taken away ('-') or added ('+').
type edit struct {
	kind byte
	line string
}

// maxCompared bounds what is compared line by line; what is longer is shown as new altogether.
const maxCompared = 4 << 20

// edits is the shortest way from old to next.
func edits(old, next []string) (all []edit) {
	var tail []edit
	for len(old) > 0 && len(next) > 0 && old[0] == next[0] {
		all = append(all, edit{' ', old[0]})
		old, next = old[1:], next[1:]
	}
	for len(old) > 0 && len(next) > 0 && old[len(old)-1] == next[len(next)-1] {
		tail = append(tail, edit{' ', old[len(old)-1]})
		old, next = old[:len(old)-1], next[:len(next)-1]
	}
	all = append(all, between(old, next)...)
	for i := len(tail) - 1; i >= 0; i-- {
		all = append(all, tail[i])
	}
	return all
}

// between is edits by the longest common subsequence.
func between(old, next []string) (all []edit) {
	wide := len(next) + 1
	var common []int32 // :: i*wide+j → lines that old[i:] and next[j:] have in common
	if (len(old)+1)*wide <= maxCompared {
		common = make([]int32, (len(old)+1)*wide)
		for i := len(old) - 1; i >= 0; i-- {
			for j := len(next) - 1; j >= 0; j-- {
				if old[i] == next[j] {
					common[i*wide+j] = common[(i+1)*wide+j+1] + 1
				} else {
					common[i*wide+j] = max(common[(i+1)*wide+j], common[i*wide+j+1])
				}
			}
		}
	}
	i, j := 0, 0
	for i < len(old) || j < len(next) {
		switch {
		case i < len(old) && j < len(next) && old[i] == next[j]:
			all = append(all, edit{' ', old[i]})
			i, j = i+1, j+1
		case j == len(next) || i < len(old) && (common == nil || common[(i+1)*wide+j] >= common[i*wide+j+1]):
			all = append(all, edit{'-', old[i]})
			i++
		default:
			all = append(all, edit{'+', next[j]})
			j++
		}
	}
	return all
}

func changed(all []edit) (n int) {
	for _, e := range all {
		if e.kind != ' ' {
			n++
		}
	}
	return n
}

// contextLines are the lines that are shown around a change.
const contextLines = 3

// unified writes edits with what stands around them.
func unified(b *strings.Builder, all []edit) {
	shown := make([]bool, len(all))
	for i, e := range all {
		if e.kind == ' ' {
			continue
		}
		for k := max(0, i-contextLines); k < min(len(all), i+contextLines+1); k++ {
			shown[k] = true
		}
	}
	before, after := 1, 1 // numbers of lines
	for i, e := range all {
		if shown[i] && (i == 0 || !shown[i-1]) {
			n, m := 0, 0
			for k := i; k < len(all) && shown[k]; k++ {
				if all[k].kind != '+' {
					n++
				}
				if all[k].kind != '-' {
					m++
				}
			}
			fmt.Fprintf(b, "@@ -%s +%s @@\n", span(before, n), span(after, m))
		}
		if shown[i] {
			b.WriteByte(e.kind)
			b.WriteString(e.line)
			b.WriteByte('\n')
		}
		if e.kind != '+' {
			before++
		}
		if e.kind != '-' {
			after++
		}
	}
}

// span is a range of lines as diff writes it.
func span(from, n int) string {
	if n == 0 {
		from--
	}
	return fmt.Sprintf("%d,%d", from, n)
}
