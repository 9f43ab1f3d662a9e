package cedar

import (
	"bytes"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/cedar-policy/cedar-go"
)

// maxWords bounds one rule. The parser follows what is nested as deep as it goes, and a stack that is used up ends the program.
const maxWords = 10_000

// parseText parses a file of rules. The error is an *Error that says where it is none.
func parseText(name string, text []byte) (cedar.PolicyList, error) {
	wrong := func(line, column int, why string) error {
		return &Error{[]Problem{{File: name, Line: line, Column: column, Text: why}}}
	}
	words, err := scanRules(text)
	if err != nil {
		line, column := textPlace(text, err.at)
		return nil, wrong(line, column, err.why)
	}
	from := 0
	for i, w := range words {
		if w.text == ";" {
			from = i
		}
		if i-from > maxWords {
			return nil, wrong(w.line, 1, fmt.Sprintf("this rule has more than %d words", maxWords))
		}
	}
	list, unread := cedar.NewPolicyListFromBytes(name, text)
	if unread != nil {
		return nil, wrong(unparsed(text, unread))
	}
	return list, nil
}

var (
	parserPlace = regexp.MustCompile(`<input>:(\d+):(\d+)`)
	parserWord  = regexp.MustCompile(`(?s)^parser error: parse error at <input>:\d+:\d+ (?:"(?:[^"\\]|\\.)*"|` + "`[^`]*`" + `): `)
	parserWants = regexp.MustCompile(`(?s)^(?:exact )?got (.*) want (.*)$`)
)

// unparsed says where a text is no Cedar, and why. The parser's own place is mostly that of the word after the one that it
// means, so the word is looked for.
func unparsed(text []byte, err error) (line, column int, why string) {
	why = parserWord.ReplaceAllString(err.Error(), "")
	why = strings.TrimPrefix(why, "parser error: ")
	line, column = 1, 1
	if m := parserPlace.FindStringSubmatch(err.Error()); m != nil {
		line, _ = strconv.Atoi(m[1])
		column, _ = strconv.Atoi(m[2])
	}
	why = strings.TrimPrefix(parserPlace.ReplaceAllString(why, ""), ": ")
	words, bad := scanRules(text)
	if bad != nil || line == 0 {
		return max(line, 1), max(column, 1), why
	}
	offset := offsetOf(text, line, column)
	at := 0
	for at < len(words)-1 && words[at].at < offset {
		at++
	}
	if m := parserWants.FindStringSubmatch(why); m != nil {
		if at > 0 && words[at].text != m[1] && words[at-1].text == m[1] {
			at--
		}
		why = fmt.Sprintf("%q stands where %q is wanted", m[1], m[2])
		if m[1] == "" {
			why = fmt.Sprintf("the text ends where %q is wanted", m[2])
		}
	}
	line, column = textPlace(text, words[at].at)
	return line, column, why
}

// offsetOf is where a line and column begin, columns in characters.
func offsetOf(text []byte, line, column int) int {
	at := 0
	for range line - 1 {
		n := bytes.IndexByte(text[at:], '\n')
		if n < 0 {
			return len(text)
		}
		at += n + 1
	}
	for range column - 1 {
		_, n := utf8.DecodeRune(text[at:])
		at += n
	}
	return at
}

// textPlace is line and column of an offset, the first of both being 1, columns in characters.
func textPlace(text []byte, at int) (line, column int) {
	start := bytes.LastIndexByte(text[:at], '\n') + 1
	return bytes.Count(text[:at], []byte{'\n'}) + 1, utf8.RuneCount(text[start:at]) + 1
}
