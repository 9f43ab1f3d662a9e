package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"time"

	"github.com/doorward-mcp/doorward/audit"
	"github.com/doorward-mcp/doorward/oauth"
	"github.com/doorward-mcp/doorward/registration"
	"github.com/doorward-mcp/doorward/token"
)

// registrationSchema is what reviewed, managed and added clients need beside those that only registered themselves.
const registrationSchema = `
ALTER TABLE clients ADD COLUMN source TEXT NOT NULL DEFAULT 'dynamic';
ALTER TABLE clients ADD COLUMN waits BIGINT NOT NULL DEFAULT 0;
ALTER TABLE clients ADD COLUMN management BYTEA NOT NULL DEFAULT '';
ALTER TABLE clients ADD COLUMN network TEXT NOT NULL DEFAULT '';
ALTER TABLE clients ADD COLUMN operator_ TEXT NOT NULL DEFAULT '{}';
CREATE INDEX clients_network ON clients (network, used);
`

// Clients are those that registered themselves, that an administrator added, and documents under review.
type Clients struct{ db *DB }

var _ registration.Clients = Clients{}

// How long a client is kept that nobody uses: before its first grant, while it waits for an administrator, and after its
// last grant.
const (
	unusedClient  = 24 * time.Hour
	waitingClient = 14 * 24 * time.Hour
	usedClient    = 180 * 24 * time.Hour
)

// idle ends the conditions of clients that may be forgotten: issued long ago, without a grant, and not added by an administrator.
const idle = " AND issued <= $1 AND source <> 'listed' AND NOT EXISTS (SELECT 1 FROM grants WHERE grants.client = clients.id)"

const clientColumns = "id, fingerprint, metadata, secret, issued, used, source, waits, management, network, operator_"

// operator is what of a client the operator alone gives: one column, as JSON.
type operator struct {
	Serves   []string          `json:"serves,omitempty"`
	Reaches  []string          `json:"reaches,omitempty"`
	Issuer   string            `json:"workload_issuer,omitempty"`
	Subject  string            `json:"workload_subject,omitempty"`
	Workload map[string]string `json:"workload_claims,omitempty"`
}

// Client is registration.Clients'.
func (s Clients) Client(ctx context.Context, _ time.Time, id string) (registration.Kept, error) {
	return scanClient(s.db.row(ctx, "SELECT "+clientColumns+" FROM clients WHERE id = $1", id))
}

// List is registration.Clients'.
func (s Clients) List(ctx context.Context, _ time.Time) (all []registration.Kept, err error) {
	rows, err := s.db.read.QueryContext(ctx, "SELECT "+clientColumns+" FROM clients ORDER BY id")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		k, err := scanClient(rows)
		if err != nil {
			return nil, err
		}
		all = append(all, k)
	}
	return all, rows.Err()
}

func scanClient(row interface{ Scan(...any) error }) (k registration.Kept, err error) {
	var metadata, source, rest string
	var fingerprint sql.NullString
	var secret, management []byte
	var issued, used, waits int64
	if err := row.Scan(&k.ID, &fingerprint, &metadata, &secret, &issued, &used, &source, &waits, &management, &k.Network, &rest); err != nil {
		return k, none(err, registration.ErrNotFound)
	}
	k.Fingerprint, k.Issued, k.Used, k.Waits = fingerprint.String, fromMillis(issued), fromMillis(used), waits != 0
	for _, s := range []oauth.Source{oauth.Listed, oauth.Dynamic, oauth.Document} {
		if s.String() == source {
			k.Source = s
		}
	}
	copy(k.SecretHash[:], secret)
	copy(k.Management[:], management)
	var o operator
	err = errors.Join(json.Unmarshal([]byte(metadata), &k.ClientMetadata), json.Unmarshal([]byte(rest), &o))
	k.Serves, k.Reaches, k.WorkloadIssuer, k.WorkloadSubject, k.WorkloadClaims = o.Serves, o.Reaches, o.Issuer, o.Subject, o.Workload
	return k, err
}

// Register is registration.Clients'.
func (s Clients) Register(ctx context.Context, in audit.Intent, k registration.Kept, l registration.Limits) (registration.Kept, error) {
	print := sql.NullString{String: k.Fingerprint, Valid: k.Fingerprint != ""}
	err := s.db.act(ctx, in, func(tx tx, now time.Time) error {
		same, err := same(tx, k)
		if err == nil {
			k = same
			return again(tx, now, k.ID)
		}
		if !errors.Is(err, registration.ErrNotFound) {
			return err
		}
		if err := room(tx, k, l); err != nil {
			return err
		}
		done, err := changed(tx.Exec("INSERT INTO clients ("+clientColumns+") VALUES ($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11) ON CONFLICT DO NOTHING",
			k.ID, print, text(k.ClientMetadata), k.SecretHash[:], millis(now), millis(k.Used), k.Source.String(), flag(k.Waits), k.Management[:], k.Network,
			text(operator{k.Serves, k.Reaches, k.WorkloadIssuer, k.WorkloadSubject, k.WorkloadClaims})))
		if err != nil || done {
			return err
		}
		k, err = sameRow(tx, k) // another replica was quicker
		return err
	})
	return k, err
}

// same is the client that k would be a second of. A listed one is nobody's second.
func same(tx tx, k registration.Kept) (registration.Kept, error) {
	other, err := sameRow(tx, k)
	if err == nil && k.Source == oauth.Listed {
		return other, registration.ErrTaken
	}
	return other, err
}

func sameRow(tx tx, k registration.Kept) (registration.Kept, error) {
	return scanClient(tx.QueryRow("SELECT "+clientColumns+" FROM clients WHERE id = $1 OR fingerprint = $2", k.ID, k.Fingerprint))
}

// room holds the unused clients against their quotas: all of them, and those of one network.
func room(tx tx, k registration.Kept, l registration.Limits) error {
	if k.Source == oauth.Listed {
		return nil
	}
	var all, near int
	err := tx.QueryRow("SELECT count(*), count(CASE WHEN network = $1 THEN 1 END) FROM clients WHERE used = 0 AND source <> 'listed'", k.Network).Scan(&all, &near)
	if err != nil {
		return err
	}
	if all >= l.Unused || near >= l.UnusedAddress && k.Network != "" {
		return registration.ErrFull
	}
	return nil
}

// again starts the time of an unused client anew: somebody has just been given its id.
func again(tx tx, now time.Time, id string) error {
	_, err := tx.Exec("UPDATE clients SET issued = $1 WHERE id = $2 AND used = 0 AND waits = 0", millis(now), id)
	return err
}

// Change is registration.Clients'.
func (s Clients) Change(ctx context.Context, in audit.Intent, k registration.Kept) error {
	return s.db.act(ctx, in, func(tx tx, _ time.Time) error {
		// A grant may have been given since k was read: used is never set back.
		done, err := changed(tx.Exec("UPDATE clients SET metadata = $1, secret = $2, management = $3, waits = $4, used = CASE WHEN used < $5 THEN $5 ELSE used END WHERE id = $6",
			text(k.ClientMetadata), k.SecretHash[:], k.Management[:], flag(k.Waits), millis(k.Used), k.ID))
		if err == nil && !done {
			return registration.ErrNotFound
		}
		return err
	})
}

// Remove is registration.Clients'. One that is not kept is not an error: it is gone.
func (s Clients) Remove(ctx context.Context, in audit.Intent, id string) error {
	return s.db.act(ctx, in, func(tx tx, _ time.Time) error {
		_, err := tx.Exec("DELETE FROM clients WHERE id = $1", id)
		return err
	})
}

// End takes back every grant and token of a client. A client that comes back under its id, as a metadata document can,
// begins anew.
func (s Clients) End(ctx context.Context, in audit.Intent, id string) error {
	err := s.db.act(ctx, in, func(tx tx, now time.Time) error {
		if _, err := tx.Exec("UPDATE grants SET revoked = $1 WHERE client = $2 AND revoked = 0", millis(now), id); err != nil {
			return err
		}
		if _, err := tx.Exec("DELETE FROM consents WHERE client = $1", id); err != nil {
			return err
		}
		var never int
		if err := tx.QueryRow("SELECT count(*) FROM clients WHERE id = $1 AND source = 'dynamic' AND used = 0", id).Scan(&never); err != nil || never > 0 {
			return err // it was never given anything: whoever registers and removes without end makes no rows
		}
		return addRevocation(tx, token.Revocation{Client: id, NotBefore: now.Add(clocks), Until: now.Add(longest)})
	})
	if err != nil {
		return err
	}
	return s.db.revoked.load(ctx)
}

// clocks is how far those of two replicas may differ.
const clocks = 30 * time.Second
