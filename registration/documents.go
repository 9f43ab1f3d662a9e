package registration

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/maypok86/otter/v2"

	"github.com/doorward-mcp/doorward/internal/request"
	"github.com/doorward-mcp/doorward/oauth"
)

// How long a client ID metadata document is kept, by its headers within these bounds.
const (
	documentLeast = 5 * time.Minute
	documentMost  = 24 * time.Hour
)

// documentTime bounds one reading, whatever Fetch does.
const documentTime = 15 * time.Second

// documents are clients whose id is the address of their metadata. draft-ietf-oauth-client-id-metadata-document.
// Errors are not kept, and what a document says is not stored: it holds while it is fresh. How often one host is read,
// and all of them together, is bounded by internal/fetch.
type documents struct {
	registry *Registry
	kept     *otter.Cache[string, *document] // :: address → document

	mu      sync.Mutex          // guards reading
	reading map[string]*reading // :: address → the reading under way
}

type document struct {
	client oauth.Client
	until  time.Time
}

// reading is one for all who wait for the same document.
type reading struct {
	done   chan struct{} // closed when the rest is there
	client oauth.Client
	err    error
}

func newDocuments(r *Registry) *documents {
	return &documents{registry: r, kept: otter.Must(&otter.Options[string, *document]{MaximumSize: 1000}), reading: map[string]*reading{}}
}

func (d *documents) client(ctx context.Context, id string) (oauth.Client, error) {
	row, err := d.allowed(ctx, id)
	if err != nil {
		return oauth.Client{}, err
	}
	c, err := d.read(ctx, id)
	if err != nil {
		return oauth.Client{}, err
	}
	return d.reviewed(ctx, c, row)
}

// known is client without reading anything from outside and without beginning a review.
func (d *documents) known(ctx context.Context, id string) (oauth.Client, bool) {
	if c, ok := d.registry.listed[id]; ok {
		return c, true
	}
	row, err := d.allowed(ctx, id)
	kept, ok := d.fresh(ctx, id)
	if err != nil || !ok {
		return oauth.Client{}, false
	}
	if d.registry.c.Policy.Mode == ModeReview && row.ID == "" {
		return oauth.Client{}, false
	}
	kept.Waits = row.Waits && row.Source != oauth.Listed && d.registry.c.Policy.Mode == ModeReview
	return kept, true
}

// allowed judges an address before anything is read from it, and gives what is kept of it: nothing where the policy
// does not need it.
func (d *documents) allowed(ctx context.Context, id string) (row Kept, err error) {
	if reason := oauth.CheckDocumentID(id); reason != "" {
		return row, oauth.InvalidClient("document_address", "the client id cannot be the address of a metadata document: "+reason)
	}
	p := d.registry.c.Policy
	if p.Mode == ModeOpen && p.document(id) {
		return row, nil
	}
	row, err = d.registry.c.Clients.Client(ctx, request.From(ctx).Now, id)
	switch {
	case err != nil && !errors.Is(err, ErrNotFound):
		return row, err
	case row.Source == oauth.Listed: // an administrator named this very address
		return row, nil
	case !p.unlisted():
		return row, notListed()
	case !p.document(id):
		return row, oauth.InvalidClient("document_host", "metadata documents of clients are not taken from this host here")
	}
	return row, nil
}

// reviewed is a document's client as the review stands. One that was never seen before begins to wait.
func (d *documents) reviewed(ctx context.Context, c oauth.Client, row Kept) (oauth.Client, error) {
	r := d.registry
	if r.c.Policy.Mode != ModeReview || row.Source == oauth.Listed {
		return c, nil
	}
	if row.ID == "" {
		c.Waits = true
		var err error
		if row, err = r.keep(ctx, Kept{Client: c}); err != nil {
			return oauth.Client{}, err
		}
	}
	c.Waits = row.Waits
	return c, nil
}

// fresh is a document that is kept and may still be used.
func (d *documents) fresh(ctx context.Context, id string) (oauth.Client, bool) {
	kept, ok := d.kept.GetIfPresent(id)
	if !ok || !request.From(ctx).Now.Before(kept.until) {
		return oauth.Client{}, false
	}
	return kept.client, true
}

// read gives the document at id, kept or read now. Whoever asks for one that is being read waits for that reading, which
// goes on when one of them leaves.
func (d *documents) read(ctx context.Context, id string) (oauth.Client, error) {
	if c, ok := d.fresh(ctx, id); ok {
		return c, nil
	}
	if d.registry.c.Fetch == nil {
		return oauth.Client{}, oauth.InvalidClient("documents_off", "client ID metadata documents are not taken here")
	}
	now, err := d.join(ctx, id)
	if err != nil {
		return oauth.Client{}, err
	}
	select {
	case <-now.done:
		return now.client, now.err
	case <-ctx.Done():
		return oauth.Client{}, unreadable(ctx.Err())
	}
}

// join is the reading of id that is under way, or a new one. Only a new one counts against the source's quota.
func (d *documents) join(ctx context.Context, id string) (*reading, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if under, ok := d.reading[id]; ok {
		return under, nil
	}
	n := &reading{done: make(chan struct{})}
	if c, ok := d.fresh(ctx, id); ok { // it came while we waited for the lock
		n.client = c
		close(n.done)
		return n, nil
	}
	if !d.registry.rate.Allow(request.From(ctx), "document", d.registry.c.Limits.Documents) {
		return nil, tooMany()
	}
	d.reading[id] = n
	go func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), documentTime)
		defer cancel()
		n.client, n.err = d.load(ctx, id)
		d.mu.Lock()
		delete(d.reading, id)
		d.mu.Unlock()
		close(n.done)
	}()
	return n, nil
}

func (d *documents) load(ctx context.Context, id string) (oauth.Client, error) {
	info := request.From(ctx)
	body, until, err := d.registry.c.Fetch(ctx, id)
	if err != nil {
		d.registry.c.Slog.WarnContext(ctx, "reading a client ID metadata document", "request", info.ID, "address", id, "error", err)
		return oauth.Client{}, unreadable(err)
	}
	c, err := d.registry.readDocument(info.Now, id, body)
	if err != nil {
		return oauth.Client{}, err
	}
	if least := info.Now.Add(documentLeast); until.Before(least) {
		until = least
	}
	if most := info.Now.Add(documentMost); until.After(most) {
		until = most
	}
	d.kept.Set(id, &document{c, until})
	return c, nil
}
