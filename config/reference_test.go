package config_test

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/doorward-mcp/doorward/config"
)

var errAbsent = errors.New("it is not there")

func lookup(kind, name string) (string, error) {
	v, ok := map[string]string{"env:KEY": "key\n", "env:PASSWORD": "p@ss/w:rd?#%+& é", "env:ADDRESS": "postgres://me:x@db/d", "env:BREAK": "a\r\nb", "file:/etc/key": "filed\r\n", "env:EMPTY": "\n"}[kind+":"+name]
	if !ok {
		return "", errAbsent
	}
	return v, nil
}

func TestHeaders(t *testing.T) {
	s := config.Server{UpstreamHeaders: map[string]config.Text{"authorization": "Bearer ${env:KEY}", "x-two": "${env:KEY} ${file:/etc/key}", "x-plain": "plain"}}
	h, err := s.Headers(lookup)
	if err != nil || h.Get("Authorization") != "Bearer key" || h.Get("X-Two") != "key filed" || h.Get("X-Plain") != "plain" {
		t.Errorf("%v %v", h, err)
	}
	for value, says := range map[config.Text]string{"${env:NONE}": "upstream header a: ${env:NONE}: it is not there", "${env:BREAK}": "its value has a line break"} {
		if _, err := (config.Server{UpstreamHeaders: map[string]config.Text{"a": value}}).Headers(lookup); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", value, err)
		}
	}
}

// A password may have any character; what it leads to is never a part of the address's structure.
func TestTheDatabasesAddress(t *testing.T) {
	for database, want := range map[config.Text]string{
		"": "", "sqlite:/a.db": "sqlite:/a.db", "${env:ADDRESS}": "postgres://me:x@db/d",
		"postgres://me:${env:PASSWORD}@db/d": "postgres://me:p%40ss%2Fw%3Ard%3F%23%25%2B%26%20%C3%A9@db/d",
	} {
		if got, err := (config.Config{Database: database}).Address(lookup); err != nil || got != want {
			t.Errorf("%s: %s, %v", database, got, err)
		}
	}
	if _, err := (config.Config{Database: "postgres://me:${env:NONE}@db/d"}).Address(lookup); !errors.Is(err, errAbsent) {
		t.Error(err)
	}
}

func TestASecret(t *testing.T) {
	if s, err := config.Secret("${file:/etc/key}").Reveal(lookup); err != nil || s != "filed" {
		t.Errorf("%q %v", s, err)
	}
	if _, err := config.Secret("${env:EMPTY}").Reveal(lookup); !errors.Is(err, config.ErrEmptySecret) {
		t.Errorf("a secret that is empty would be everybody's: %v", err)
	}
	if _, err := config.Secret("${env:NONE}").Reveal(lookup); !errors.Is(err, errAbsent) {
		t.Error(err)
	}
}

// Relative paths are those of the file; what is no path stays as it is, and the value that In was called on too.
func TestPathsAreRelativeToTheFile(t *testing.T) {
	c, err := config.Read("everything.yaml", everything(t))
	if err != nil {
		t.Fatal(err)
	}
	c.Database = "sqlite:db/a.db"
	s := c.Servers["files"]
	s.Command, s.UpstreamHeaders = []string{"./server", "./argument"}, map[string]config.Text{"X-Key": "a${file:key}b${env:key}"}
	c.Servers["files"] = s
	before, err := c.YAML()
	if err != nil {
		t.Fatal(err)
	}
	in := c.In("/etc/doorward")
	if after, err := c.YAML(); err != nil || string(after) != string(before) {
		t.Errorf("In changed what it was called on: %v\n%s", err, after)
	}
	files := in.Servers["files"]
	got := []string{in.TLS.Certificate, in.TLS.Key, in.Data, string(in.Database), in.InsecureLoopbackDocuments, files.Command[0], files.Command[1],
		string(files.UpstreamHeaders["X-Key"]), string(in.Clients.Listed[2].Secret), in.Clients.Listed[3].JWKSFile, string(in.Issuers["hydra"].Introspection.Secret)}
	want := []string{"/etc/doorward/cert.pem", "/etc/doorward/key.pem", "/etc/doorward/data", "sqlite:/etc/doorward/db/a.db", "/etc/doorward/ca.pem", "/etc/doorward/server", "./argument",
		"a${file:/etc/doorward/key}b${env:key}", "${file:/etc/doorward/secrets/notes}", "/etc/doorward/batch.jwks.json", "${file:/etc/doorward/secrets/hydra}"}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	if again := in.In("/elsewhere"); !reflect.DeepEqual(again, in) {
		t.Error("a path that is whole was changed")
	}
}
