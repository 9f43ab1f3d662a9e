package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// The commands of docs/audit.md run, one after the other, on the log of a server that has answered a call.
func TestAuditPage(t *testing.T) {
	page, err := os.ReadFile("../../docs/audit.md")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	s := protectFile(t, strings.ReplaceAll(plainFile, "$DIR/data", filepath.Join(dir, "data")))
	_, mine := s.connect()
	called := s.call(mine.Access, "add", `{"a":1,"b":2}`)
	receipt := called.Header.Get("Doorward-Receipt")
	if receipt == "" {
		t.Fatalf("%s without a receipt\n%s", called.Status, called.body)
	}
	env := append(os.Environ(), "GORACE=atexit_sleep_ms=0", "ID="+receipt, "INDEX="+indexOf(t, s.ready.Data, receipt))
	blocks := shellAndText.FindAllStringSubmatch(string(page), -1)
	for _, b := range blocks {
		t.Run(b[1], func(t *testing.T) {
			if b[1] == "repair" { // of a server that stands still
				s.stop()
				defer s.start()
			}
			c := exec.Command("bash", "-euo", "pipefail", "-c", b[2])
			c.Dir, c.Env = dir, env
			if out, err := c.CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
		})
	}
	settings := regexp.MustCompile("(?ms)^```yaml\n(.*?)^```$").FindAllStringSubmatch(string(page), -1)
	for _, b := range settings {
		file := filepath.Join(dir, "settings.yaml")
		if err := os.WriteFile(file, []byte(strings.NewReplacer("$PORT", "8080", "$DIR", dir).Replace(plainFile)+b[1]), 0o600); err != nil {
			t.Fatal(err)
		}
		if status, out, said := ran(t, "config", "validate", file); status != 0 {
			t.Errorf("status %d\n%s%s\nof\n%s", status, out, said, b[1])
		}
	}
	if len(settings) != 2 {
		t.Errorf("%d blocks of settings", len(settings))
	}
	if len(blocks) != 11 || strings.Count(string(page), "```sh") != len(blocks) {
		t.Errorf("%d blocks of commands, of %d", len(blocks), strings.Count(string(page), "```sh"))
	}
}

// indexOf is the index of an act's newest record, once the index has it and a checkpoint too.
func indexOf(t *testing.T, data, id string) string {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		status, out, _ := ran(t, "--output", "json", "audit", "query", "--id", id, "--limit", "1", "--data", data)
		var row struct{ Index int64 }
		if status != 0 || json.Unmarshal([]byte(out), &row) != nil {
			continue
		}
		if status, _, _ := ran(t, "audit", "prove", strconv.FormatInt(row.Index, 10), "--data", data); status == 0 {
			return strconv.FormatInt(row.Index, 10)
		}
	}
	t.Fatal("the call was not indexed and signed")
	return ""
}
