package config

import (
	"cmp"
	"maps"
	"path/filepath"

	"github.com/doorward-mcp/doorward/gateway"
)

// Effective is c with what holds where it says nothing, as far as that is one value: what depends on another member, or on
// who asks, stays away. It says the same as c. The data directory must be given.
func (c Config) Effective() Config {
	c.Listen = c.Listener()
	if c.Database == "" {
		c.Database = Text("sqlite:" + filepath.Join(c.Data, "doorward.db"))
	}
	c.Limits = c.Limits.WithDefaults()
	c.Registration.Limits = c.Registration.Limits.WithDefaults()
	c.Lifetimes.Lifetimes = c.Lifetimes.Lifetimes.WithDefaults()
	c.Lifetimes.Login = c.Lifetimes.Login.WithDefaults()
	if c.Tracing != nil && c.Tracing.Percent == 0 {
		t := *c.Tracing
		t.Percent = 100
		c.Tracing = &t
	}
	c.Servers = maps.Clone(c.Servers)
	for name, s := range c.Servers {
		c.Servers[name] = c.effective(s)
	}
	return c
}

func (c Config) effective(s Server) Server {
	s.Limits = s.Limits.WithDefaults()
	s.URI = c.Resource(s).URI
	if len(s.URLs) > 0 {
		s.Health = s.Health.WithDefaults()
		s.Balance = cmp.Or(s.Balance, gateway.LeastBusy)
	}
	if len(s.Addresses()) > 0 {
		s.Transport = cmp.Or(s.Transport, TransportHTTP)
	}
	if s.Open() {
		return s
	}
	s.Scopes, s.Initial = s.AllScopes(), s.InitialScopes()
	if len(s.Required) == 0 {
		s.Required = s.Initial
	}
	return s
}
