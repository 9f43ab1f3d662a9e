package config

import (
	"fmt"
	"net/http"
	"regexp"
	"strings"

	"github.com/goccy/go-yaml"

	"github.com/doorward-mcp/doorward/grant"
	"github.com/doorward-mcp/doorward/guard"
	"github.com/doorward-mcp/doorward/login"
	"github.com/doorward-mcp/doorward/registration"
)

// Config is the whole of an installation's configuration. protect builds the same value that the file gives.
type Config struct {
	PublicURL    string            `yaml:"public_url"`         // the origin that people and programs use; also the issuer
	Listen       string            `yaml:"listen"`             // HOST:PORT
	TLS          *TLS              `yaml:"tls,omitempty"`      // nil: plain HTTP, on loopback only
	Data         string            `yaml:"data"`               // the data directory
	Database     string            `yaml:"database,omitempty"` // empty: SQLite in the data directory
	Servers      map[string]Server `yaml:"servers"`            // :: name → server
	Policy       string            `yaml:"policy"`             // scopes-only
	Registration Registration      `yaml:"registration"`
	Lifetimes    Lifetimes         `yaml:"lifetimes,omitempty"`

	// InsecureLoopbackDocuments is a PEM file of the certificate authority under which client ID metadata documents are
	// taken from loopback hosts too: a switch for tests. Empty: public addresses only.
	InsecureLoopbackDocuments string `yaml:"insecure_loopback_documents,omitempty"`
}

// TLS is a certificate and its key, as PEM files.
type TLS struct {
	Certificate string `yaml:"certificate"`
	Key         string `yaml:"key"`
}

// Server is one MCP server. Exactly one of URL, Command and Demo says what stands behind it.
type Server struct {
	Path            string            `yaml:"path"`
	Name            string            `yaml:"name,omitempty"`
	Documentation   string            `yaml:"documentation,omitempty"`
	URL             string            `yaml:"url,omitempty"`
	Command         []string          `yaml:"command,omitempty"`
	Environment     []string          `yaml:"environment,omitempty"` // NAME to pass on, or NAME=value
	Demo            bool              `yaml:"demo,omitempty"`
	UpstreamHeaders map[string]string `yaml:"upstream_headers,omitempty"`
	Limits          guard.Limits      `yaml:"limits,omitempty"`
}

// Registration is who may register.
type Registration struct {
	Mode   string              `yaml:"mode"` // open
	Limits registration.Limits `yaml:"limits,omitempty"`
}

// Lifetimes are those of every role in one place.
type Lifetimes struct {
	grant.Lifetimes `yaml:",inline"`
	Login           login.Lifetimes `yaml:",inline"`
}

// YAML is c as the file that says the same.
func (c Config) YAML() ([]byte, error) {
	b, err := yaml.MarshalWithOptions(c, yaml.Indent(2), yaml.IndentSequence(true))
	if err != nil {
		return nil, fmt.Errorf("writing the configuration: %w", err)
	}
	return b, nil
}

var reference = regexp.MustCompile(`\$\{([a-z]+):([^}]*)\}`)

// Headers are the upstream headers of s with their references looked up. A reference that leads nowhere is an error
// that names it; so is a value that no header can have.
func (s Server) Headers(lookup func(kind, name string) (string, error)) (http.Header, error) {
	h := http.Header{}
	for name, value := range s.UpstreamHeaders {
		var failed error
		value = reference.ReplaceAllStringFunc(value, func(ref string) string {
			m := reference.FindStringSubmatch(ref)
			v, err := lookup(m[1], m[2])
			if err != nil && failed == nil {
				failed = fmt.Errorf("upstream header %s: %s: %w", name, ref, err)
			}
			return strings.TrimRight(v, "\r\n")
		})
		if failed != nil {
			return nil, failed
		}
		if strings.ContainsAny(value, "\r\n\x00") {
			return nil, fmt.Errorf("upstream header %s: its value has a line break", name)
		}
		h.Set(name, value)
	}
	return h, nil
}
