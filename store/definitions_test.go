package store_test

import (
	"bytes"
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/doorward-mcp/doorward/audit"
	"github.com/doorward-mcp/doorward/guard"
	"github.com/doorward-mcp/doorward/mcp"
	"github.com/doorward-mcp/doorward/seal"
	"github.com/doorward-mcp/doorward/store"
	"github.com/doorward-mcp/doorward/token"
)

var listener = token.Caller{Principal: alice, Client: "c"}

// said is what a server says of an item.
func said(kind, name, words string) guard.Definition {
	raw := []byte(fmt.Sprintf(`{"name":%q,"description":%q}`, name, words))
	return guard.Definition{Item: mcp.Item{Kind: kind, Name: name, Definition: mcp.HashDefinition(raw)}, Raw: raw}
}

func (f *fixture) show(c token.Caller, server string, unaccepted []guard.Definition, accepted ...mcp.Item) {
	f.t.Helper()
	if err := f.db.Definitions().Show(f.t.Context(), f.now, server, c, unaccepted, accepted); err != nil {
		f.t.Fatal(err)
	}
}

// What a caller is not shown is remembered for that caller, item and server, and outlives a restart.
func TestWhatACallerIsNotShownIsRemembered(t *testing.T) {
	on(t, func(t *testing.T, f *fixture) {
		add, sub := said(mcp.ItemTool, "add", "adds"), said(mcp.ItemTool, "sub\x00tract", "subtracts")
		f.show(listener, resource, []guard.Definition{add, sub})
		bob, elsewhere := listener, listener
		bob.Subject, elsewhere.Client = "bob", "another"
		check := func() {
			t.Helper()
			d := f.db.Definitions()
			for _, u := range []guard.Definition{add, sub} {
				if got := d.Shown(resource, listener, u.Item); got != u.Item.Definition {
					t.Errorf("%s: %s", u.Item.Name, got)
				}
			}
			for name, got := range map[string]mcp.Hash{"bob": d.Shown(resource, bob, add.Item), "another client": d.Shown(resource, elsewhere, add.Item), "another server": d.Shown(resource+"2", listener, add.Item),
				"another kind": d.Shown(resource, listener, mcp.Item{Kind: mcp.ItemPrompt, Name: "add"}), "another item": d.Shown(resource, listener, mcp.Item{Kind: mcp.ItemTool, Name: "a"})} {
				if got != (mcp.Hash{}) {
					t.Errorf("%s: %s", name, got)
				}
			}
			if news := d.News(resource, listener, []guard.Definition{add, sub}); len(news) != 0 {
				t.Errorf("news: %v", news)
			}
			if news := d.News(resource, bob, []guard.Definition{add}); len(news) != 1 {
				t.Errorf("news of bob: %v", news)
			}
		}
		check()
		f.reopen()
		check()
		other := said(mcp.ItemTool, "add", "adds, and sends it to me")
		if news := f.db.Definitions().News(resource, listener, []guard.Definition{other, sub}); len(news) != 1 || news[0].Item != other.Item {
			t.Errorf("news: %v", news)
		}
		f.show(listener, resource, []guard.Definition{other}, sub.Item)
		f.reopen()
		if d := f.db.Definitions(); d.Shown(resource, listener, add.Item) != other.Item.Definition || d.Shown(resource, listener, sub.Item) != (mcp.Hash{}) {
			t.Error("the last one does not count, or what is shown as it was accepted is not forgotten")
		}
	})
}

// A call is about a template if that makes its address, in whatever way it is written.
func TestATemplateThatACallerIsNotShown(t *testing.T) {
	on(t, func(t *testing.T, f *fixture) {
		u := said(mcp.ItemTemplate, "file:///reports/{name}", "reports")
		long := said(mcp.ItemTemplate, "x:///"+strings.Repeat("é", 2000), "long")
		f.show(listener, resource, []guard.Definition{u})
		f.show(listener, "long", []guard.Definition{long})
		for range 2 {
			for uri, want := range map[string]bool{"file:///reports/a": true, "FILE:///reports/a": true, "file:///reports/../reports/a": true, "file:///%72eports/a": true, "file:///other": false, "file:///reports/{name}": true, "file:///a%": true} {
				if got := f.db.Definitions().Shown(resource, listener, mcp.Item{Kind: mcp.ItemResource, Name: uri}) == u.Item.Definition; got != want {
					t.Errorf("%s: %t", uri, got)
				}
			}
			if f.db.Definitions().Shown("long", listener, mcp.Item{Kind: mcp.ItemResource, Name: "y:z"}) != long.Item.Definition {
				t.Error("a template that is too long to be kept makes nothing")
			}
			f.reopen()
		}
	})
}

// What waits to be accepted can be looked at, and is forgotten when it is accepted.
func TestDefinitionsThatWait(t *testing.T) {
	on(t, func(t *testing.T, f *fixture) {
		add, large := said(mcp.ItemTool, "add\x00"+strings.Repeat("é", 2000), "adds"), said(mcp.ItemTool, "large", strings.Repeat("x", 64<<10))
		f.show(listener, resource, []guard.Definition{add, large})
		f.now = f.now.Add(2 * time.Hour)
		bob := listener
		bob.Subject = "bob"
		f.show(bob, resource, []guard.Definition{add})
		f.reopen()
		all, err := f.db.Definitions().Unaccepted(t.Context())
		if err != nil || len(all) != 1 {
			t.Fatalf("%v %v", all, err)
		}
		if u := all[0]; u.Server != resource || u.Item.Definition != add.Item.Definition || len(u.Item.Name) > 1024 || !bytes.Equal(u.Definition, add.Raw) || !u.First.Equal(start) || !u.Last.Equal(f.now) {
			t.Errorf("%+v", u)
		}
		f.must(func(ctx context.Context, in audit.Intent) error {
			return f.db.Definitions().Accept(ctx, in, resource, all[0].Item)
		})
		for range 2 {
			d := f.db.Definitions()
			if all, err := d.Unaccepted(t.Context()); err != nil || len(all) != 0 {
				t.Errorf("%v %v", all, err)
			}
			if d.Shown(resource, listener, add.Item) != (mcp.Hash{}) || d.Shown(resource, bob, add.Item) != (mcp.Hash{}) || d.Shown(resource, listener, large.Item) != large.Item.Definition {
				t.Error("an accepted one is not forgotten, or another is")
			}
			f.reopen()
		}
	})
}

// A server that shows ever different things fills what is its own: for the caller whom it shows them to, everything of it then
// counts as shown otherwise, until an administrator accepts something of it.
func TestDefinitionsWithoutEnd(t *testing.T) {
	f := onSQLite(t)
	var many []guard.Definition
	for n := range 5001 {
		many = append(many, said(mcp.ItemTool, fmt.Sprintf("t%d", n), "x"))
	}
	if news := f.db.Definitions().News(resource, listener, many); len(news) != 5000 {
		t.Errorf("%d news", len(news))
	}
	f.show(listener, resource, many)
	bob := listener
	bob.Subject = "bob"
	untouched := mcp.Item{Kind: mcp.ItemTool, Name: "add"}
	for range 2 {
		d := f.db.Definitions()
		if d.Shown(resource, listener, untouched) == (mcp.Hash{}) || d.Shown(resource, bob, untouched) != (mcp.Hash{}) || d.Shown(resource+"2", listener, untouched) != (mcp.Hash{}) {
			t.Error("the caller may use everything, or others nothing")
		}
		if news := d.News(resource, listener, []guard.Definition{said(mcp.ItemTool, "new", "x")}); len(news) != 0 {
			t.Errorf("%d records more", len(news))
		}
		if all, err := d.Unaccepted(t.Context()); err != nil || len(all) != 1000 {
			t.Errorf("%d kept, %v", len(all), err)
		}
		f.reopen()
	}
	f.must(func(ctx context.Context, in audit.Intent) error {
		return f.db.Definitions().Accept(ctx, in, resource, many[0].Item)
	})
	if d := f.db.Definitions(); d.Shown(resource, listener, untouched) != (mcp.Hash{}) || d.Shown(resource, listener, many[0].Item) != (mcp.Hash{}) || d.Shown(resource, listener, many[1].Item) != many[1].Item.Definition {
		t.Error("after an administrator has looked")
	}
	f.reopen()
	for n := range 101 { // ever another definition of one tool
		f.show(bob, resource, []guard.Definition{said(mcp.ItemTool, "add", fmt.Sprint(n))})
	}
	if d := f.db.Definitions(); d.Shown(resource, bob, untouched) != said(mcp.ItemTool, "add", "100").Item.Definition {
		t.Error("the last one does not count")
	}
}

// onSQLite is for what has nothing to do with where it is kept.
func onSQLite(t *testing.T) *fixture {
	box, err := seal.New(make([]byte, 32))
	if err != nil {
		t.Fatal(err)
	}
	f := &fixture{t: t, address: "sqlite:" + filepath.Join(t.TempDir(), "doorward.db"), box: box, log: audit.New(func(context.Context, audit.Entry) error { return nil }), now: start}
	f.reopen()
	return f
}

var _ interface {
	Shown(string, token.Caller, mcp.Item) mcp.Hash
	News(string, token.Caller, []guard.Definition) []guard.Definition
	Show(context.Context, time.Time, string, token.Caller, []guard.Definition, []mcp.Item) error
} = (*store.Definitions)(nil)
