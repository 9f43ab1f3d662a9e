package doorward

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/doorward-mcp/doorward/admin"
	"github.com/doorward-mcp/doorward/audit"
	"github.com/doorward-mcp/doorward/audit/export"
	"github.com/doorward-mcp/doorward/audit/verify"
	"github.com/doorward-mcp/doorward/config"
	"github.com/doorward-mcp/doorward/guard"
	"github.com/doorward-mcp/doorward/internal/request"
	"github.com/doorward-mcp/doorward/oauth"
	"github.com/doorward-mcp/doorward/token"
)

// witnessing is how often witnesses are asked.
const witnessing = 10 * time.Second

// errUnwitnessed is why a strict act does not happen where the operator wants witnesses.
var errUnwitnessed = errors.New("the witnesses of the audit log have not signed for too long")

// sink keeps what the log says, as long as the witnesses that must sign do.
func (g *ground) sink(c config.Config) audit.Sink {
	w := c.Audit.Witnesses
	if w == nil || !w.Stop {
		return g.trail.journal.Write
	}
	return func(ctx context.Context, e audit.Entry) error {
		if e.Class == audit.Strict && e.Phase == audit.PhaseIntent && !e.Record.Code.TakesPower() && g.told.witnesses.Late(g.e.Now()) > w.Bound() {
			return errUnwitnessed
		}
		return g.trail.journal.Write(ctx, e)
	}
}

// openAudit adds what the audit log answers at the public address: to callers the proof of their own calls, to auditors
// everything, and to all the tree, where the configuration says so.
func (g *generation) openAudit(t *routes) error {
	if g.trail == nil {
		return nil
	}
	door, err := g.auditDoor()
	if err != nil {
		return err
	}
	t.open["/audit/api/"], t.open[oauth.WellKnownResource+"/audit"] = g.auditAPI(door), door.Metadata()
	t.open["/audit/proof/"] = http.HandlerFunc(g.prove)
	if g.c.Audit.Tiles == config.TilesPublic {
		tiles := http.StripPrefix("/audit", g.tiles(door))
		t.open["/audit/checkpoint"], t.open["/audit/tile/"] = tiles, tiles
	}
	return nil
}

// tiles are the tree; records are for auditors.
func (g *generation) tiles(door *guard.Guard) http.Handler {
	return &export.Tiles{Leaves: g.trail.leaves, Checkpoints: g.trail.checkpoints, Log: g.e.Slog, Auditor: func(r *http.Request) bool {
		if door == nil || r.Header.Get("Authorization") == "" {
			return false
		}
		c, err := door.Caller(r)
		return err == nil && admin.Auditor(c, g.c.PublicURL)
	}}
}

// receipt is what a caller is told of a call of its own.
type receipt struct {
	ID    string       `json:"id"`
	Index int64        `json:"index"`
	Proof string       `json:"proof,omitempty"` // C2SP tlog-proof; empty: the next checkpoint will hold it
	Leaf  verify.Entry `json:"record"`
	Raw   []byte       `json:"leaf"` // the exact bytes that the proof is about
}

var noReceipt = &oauth.Error{Status: http.StatusNotFound, Code: "not_found", Reason: "receipt", Description: "there is no call of yours with this receipt, or it is not indexed yet: try again in a second"}

// prove gives a caller index and proof of its own call, by the receipt that came with the answer. Whose call it was not learns
// nothing, not even that there was one: an id that there is not is answered alike.
func (g *generation) prove(w http.ResponseWriter, r *http.Request) {
	doors := g.doorsOf(r)
	if len(doors) == 0 {
		notFound(w, r)
		return
	}
	door := doors[0]
	c, err := door.Caller(r)
	for _, d := range doors[1:] {
		if err == nil {
			break
		}
		if other, no := d.Caller(r); no == nil {
			c, err = other, nil
		}
	}
	id := strings.TrimPrefix(r.URL.Path, "/audit/proof/")
	var hits []admin.Hit
	if err == nil && id != "" && len(id) <= 64 {
		hits, err = g.trail.index.Find(r.Context(), admin.Query{ID: id})
	}
	var answer []receipt
	if err == nil {
		answer, err = g.receipts(r.Context(), c, hits)
	}
	if err != nil {
		door.Refuse(w, r, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	_ = json.NewEncoder(w).Encode(map[string]any{"origin": g.trail.origin, "request_id": request.From(r.Context()).ID, "records": answer})
}

// doorsOf are the guards that may know the token of a request: of the server that it names as its audience, or all of them where it
// cannot be read, or an issuer of somebody else's has a name of its own for us. They do not hang on the record, or a refusal would tell where there is one.
func (g *generation) doorsOf(r *http.Request) (all []*guard.Guard) {
	named := audiences(r.Header.Get("Authorization"))
	for _, name := range g.names() {
		d := g.doors[g.c.Resource(g.c.Servers[name]).URI]
		if d != nil && slices.Contains(named, g.c.Resource(g.c.Servers[name]).URI) {
			return []*guard.Guard{d}
		}
		if d != nil {
			all = append(all, d)
		}
	}
	if r.Header.Get("Authorization") == "" {
		all = all[:min(len(all), 1)]
	}
	return all
}

// audiences are what a token says of itself, which nobody has verified.
func audiences(authorization string) []string {
	_, raw, _ := strings.Cut(authorization, " ")
	parts := strings.Split(raw, ".")
	if len(parts) != 3 {
		return nil
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return nil
	}
	var one struct {
		Aud string `json:"aud"`
	}
	if json.Unmarshal(payload, &one) == nil && one.Aud != "" {
		return []string{one.Aud}
	}
	var many struct {
		Aud []string `json:"aud"`
	}
	_ = json.Unmarshal(payload, &many) // then it names none
	return many.Aud
}

// receipts prove what c has done.
func (g *generation) receipts(ctx context.Context, c token.Caller, hits []admin.Hit) ([]receipt, error) {
	mine, err := g.db.Vault().Pseudonym(ctx, c.Principal)
	if err != nil && !errors.Is(err, audit.ErrErased) {
		return nil, err
	}
	checkpoint, err := g.trail.checkpoints.Latest(ctx)
	if err != nil {
		return nil, err
	}
	var all []receipt
	for _, h := range slices.Backward(hits) { // the intent first
		e := h.Entry
		if mine == "" || e.Subject == nil || e.Subject.Pseudonym != mine || e.Client != c.Client || e.Server != c.Resource {
			continue
		}
		leaves, err := g.trail.leaves.Read(ctx, h.Index, 1)
		if err != nil {
			return nil, err
		}
		one := receipt{ID: e.ID, Index: h.Index, Leaf: e}
		if len(leaves) == 1 {
			one.Raw = leaves[0]
		}
		proof, err := export.Proof(ctx, g.trail.leaves, checkpoint, h.Index)
		if err != nil && !errors.Is(err, export.ErrNotYet) {
			return nil, err
		}
		one.Proof = string(proof)
		all = append(all, one)
	}
	if len(all) == 0 {
		return nil, noReceipt
	}
	return all, nil
}
