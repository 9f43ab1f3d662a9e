package main

import (
	"testing"
	"time"
)

// A record is what strangers said too: nothing in it steers a terminal, breaks a line or turns what follows around.
func TestNothingInARecordSteersATerminal(t *testing.T) {
	for in, want := range map[string]string{
		"plain é 日本":                "plain é 日本",
		"\x1b[2J\x07":               "?[2J?",
		"a\nb\tc\r":                 "a?b?c?",
		"\u202egnp.exe\u2066":       "?gnp.exe?",
		"\u0085\u009b31m\x7f":       "??31m?",
		"line\u2028paragraph\u2029": "line?paragraph?",
	} {
		if got := printed(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func TestTimesAsPeopleWriteThem(t *testing.T) {
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	for text, want := range map[string]time.Time{
		"":                          {},
		"2h":                        now.Add(-2 * time.Hour),
		"90m":                       now.Add(-90 * time.Minute),
		"2026-11-21":                time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC),
		"2026-11-21 10:00:00":       time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC),
		"2026-11-21T10:00:00+01:00": time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC),
	} {
		if got, err := moment(text, now); err != nil || !got.Equal(want) {
			t.Errorf("%q: %s, %v", text, got, err)
		}
	}
	for _, text := range []string{"yesterday", "-2h", "0s", "21.11.2026"} {
		if got, err := moment(text, now); err == nil {
			t.Errorf("%q: %s", text, got)
		}
	}
}
