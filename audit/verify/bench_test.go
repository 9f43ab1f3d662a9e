package verify_test

import (
	"fmt"
	"testing"

	"github.com/doorward-mcp/doorward/audit/verify"
)

// BenchmarkDirectory reports how many records a minute are verified, of the size that tool calls have.
func BenchmarkDirectory(b *testing.B) {
	book, k := newBook(b), newKey(b)
	book.start("n/a")
	for i := range 10_000 {
		id := fmt.Sprintf("LHXWV4V5ZMBYJTPYHGQ2XGYQ%d", i)
		book.put("n/a", verify.Entry{ID: id, Code: "mcp.tool.call", Phase: verify.Intent, Request: "6S5IDKKUUXQYPZSLJGH6RIHJDW", Trace: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
			Subject: &verify.Subject{Pseudonym: "p_Zk3nqkS2x5bD7dQv1oXW9A", ACR: "phr", SignedIn: "2026-11-22T11:00:00Z"}, Client: "https://claude.example/client.json", Grant: "g_3nqkS2x5bD7dQv1oXW9A",
			Chain:  []verify.Actor{{Client: "https://claude.example/client.json", How: "dpop", Verified: true}, {Pseudonym: "p_8c3nqkS2x5bD7dQv1oXW", How: "act-claim"}},
			Tokens: []verify.Token{{Kind: "access_token", ID: "6S5IDKKUUXQYPZSLJGH6RIHJDW", Hash: "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU", Scopes: []string{"mcp", "crm.read", "crm.write"}, Expires: "2026-11-22T12:10:00Z"}},
			Server: "https://mcp.example.com/crm", Proto: "2026-07-28", Net: "Zk3nqkS2x5bD7dQv1oXW9A",
			Calls:  []verify.Call{{Method: "tools/call", Name: "deleteUser", Definition: "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08", Args: &verify.Sum{Root: "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU", Leaves: 4}}},
			Policy: &verify.Decision{Verdict: "allow", Bundle: "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08", Rules: []string{"crm.delete-user"}, Obligations: []string{"audit:full"}}, Micros: 900})
		book.put("n/a", verify.Entry{ID: id, Code: "mcp.tool.call", Phase: verify.Outcome, Request: "6S5IDKKUUXQYPZSLJGH6RIHJDW", Client: "https://claude.example/client.json", Result: "done", Micros: 4100})
		if i%1000 == 0 {
			book.sign(k)
		}
	}
	book.sign(k)
	dir, bytes := book.dir(), 0
	for _, s := range book.segments {
		bytes += len(s)
	}
	b.SetBytes(int64(bytes))
	for b.Loop() {
		sound(b, check(b, dir, verify.Options{Keys: []string{k.vkey}}), 0)
	}
	b.ReportMetric(float64(book.size)*float64(b.N)/b.Elapsed().Minutes(), "records/min")
	b.ReportMetric(float64(bytes)/float64(book.size), "B/record")
}
