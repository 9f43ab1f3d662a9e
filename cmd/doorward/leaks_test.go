package main

import (
	"os"
	"regexp"
)

// secrets are what no log may hold: our codes, tokens, client secrets and sign-in links, and JWTs of anybody.
var secrets = regexp.MustCompile(`dw[a-z]*_[A-Za-z0-9_-]{26,}|eyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.|/link/[A-Z2-7]{26}|"password"\s*:`)

// leaks fails the test if anything that this server logged is a secret. RS-LOG-NO-CREDENTIALS, EMA-NO-LOG: it runs at the
// end of every server of every test.
func (s *server) leaks() {
	s.t.Helper()
	var audit []byte
	for _, name := range s.segments() {
		b, _ := os.ReadFile(name)
		audit = append(audit, b...)
	}
	for name, text := range map[string]string{"what it printed": s.stderr.String(), "the audit log": string(audit)} {
		if found := secrets.FindString(text); found != "" {
			s.t.Errorf("%s holds a secret: %.16s…", name, found)
		}
	}
}
