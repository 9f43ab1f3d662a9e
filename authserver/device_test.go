package authserver_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/doorward-mcp/doorward/authserver"
	"github.com/doorward-mcp/doorward/oauth"
)

const deviceGrant = "urn:ietf:params:oauth:grant-type:device_code"

// tv is a kit with a client for devices.
func tv(t *testing.T) *kit {
	k := newKit(t)
	k.add("tv", oauth.Listed, func(c *oauth.Client) { c.GrantTypes, c.RedirectURIs = []string{deviceGrant, "refresh_token"}, nil })
	return k
}

func (k *kit) poll(code string) reply {
	return k.token(form("grant_type", deviceGrant, "client_id", "tv", "device_code", code))
}

// enter has the person of b type a user code and answer on the consent page.
func (k *kit) enter(b *browser, code string, allow bool) error {
	to, err := k.visit(b, issuer+"/device", func(w http.ResponseWriter, r *http.Request) error { return k.s.EnterUserCode(w, r, code) })
	if err != nil {
		return err
	}
	if to.Path != "/consent" {
		k.t.Errorf("the person compares no code: %v", to)
	}
	answer := k.allows("")
	if !allow {
		answer = func(w http.ResponseWriter, r *http.Request) error {
			p, err := k.s.Pending(r)
			if err != nil {
				return err
			}
			return k.s.Decline(w, r, p)
		}
	}
	if to, err = k.visit(b, issuer+"/page?pending="+to.Query().Get("pending"), answer); err != nil {
		return err
	}
	to, err = k.visit(b, to.String(), k.s.Authorize)
	if err == nil && to.Path != authserver.DeviceDonePage {
		k.t.Errorf("the browser goes to %v", to)
	}
	return err
}

// RFC 8628 §3: a device gets its token once a person has typed its code and allowed it, and once only.
func TestDevices(t *testing.T) {
	k := tv(t)
	begun := k.send("POST", "/device_authorization", form("client_id", "tv", "resource", crm).Encode()).wants(t, 200, "")
	code, user := begun.text("device_code"), begun.text("user_code")
	if len(user) != 9 || begun.text("verification_uri") != issuer+"/device" || !strings.Contains(begun.text("verification_uri_complete"), user) || begun.body["interval"] != 5.0 {
		t.Errorf("%v", begun.body)
	}
	k.poll(code).wants(t, 400, "authorization_pending")
	k.poll(code).wants(t, 400, "slow_down")
	k.now = k.now.Add(9 * time.Second)
	k.poll(code).wants(t, 400, "slow_down") // the interval has grown
	k.now = k.now.Add(16 * time.Second)
	k.poll(code).wants(t, 400, "authorization_pending")
	if err := k.enter(newBrowser(), "BBBB-BBBB", true); err == nil {
		t.Error("a code that no device shows is taken")
	}
	if err := k.enter(newBrowser(), strings.ToLower(strings.ReplaceAll(user, "-", " ")), true); err != nil {
		t.Fatal(err)
	}
	if err := k.enter(newBrowser(), user, true); err == nil {
		t.Error("a code is allowed twice")
	}
	k.token(form("grant_type", "authorization_code", "client_id", "tv", "code", code, "code_verifier", verify)).wants(t, 400, "unauthorized_client")
	got := k.poll(code).wants(t, 200, "")
	if c := claims(t, got.text("access_token")); c["aud"] != crm || c["sub"] != "alice" || c["client_id"] != "tv" {
		t.Errorf("%v", c)
	}
	k.token(form("grant_type", "refresh_token", "client_id", "tv", "refresh_token", got.text("refresh_token"))).wants(t, 200, "")
	k.poll(code).wants(t, 400, "invalid_grant")

	// A client with a secret would be remembered elsewhere; a device is compared every time.
	k.add("box", oauth.Listed, withSecret(deviceGrant))
	for range 2 {
		begun := k.send("POST", "/device_authorization", form("resource", crm).Encode(), basic("box")...).wants(t, 200, "")
		if err := k.enter(newBrowser(), begun.text("user_code"), true); err != nil {
			t.Fatal(err)
		}
	}
}

func TestDevicesThatGetNothing(t *testing.T) {
	k := tv(t)
	k.add("dynamic", oauth.Dynamic, func(c *oauth.Client) { c.GrantTypes = []string{deviceGrant} })
	k.add("plain", oauth.Listed)
	begin := func(more ...string) reply {
		return k.send("POST", "/device_authorization", form(more...).Encode())
	}
	begin("client_id", "dynamic", "resource", crm).wants(t, 400, "unauthorized_client")
	begin("client_id", "plain", "resource", crm).wants(t, 400, "unauthorized_client")
	begin("client_id", "tv", "resource", files).wants(t, 400, "invalid_target")
	begin("client_id", "tv", "resource", crm, "scope", "\x01").wants(t, 400, "invalid_scope")
	code := begin("client_id", "tv").wants(t, 200, "").text("device_code") // the one server that takes devices
	k.now = k.now.Add(10 * time.Minute)
	k.poll(code).wants(t, 400, "expired_token")
	declined := begin("client_id", "tv")
	if err := k.enter(newBrowser(), declined.text("user_code"), false); err != nil {
		t.Fatal(err)
	}
	k.poll(declined.text("device_code")).wants(t, 400, "access_denied")
	if err := k.enter(newBrowser(), declined.text("user_code"), true); err == nil {
		t.Error("what was declined is allowed after all")
	}
	k.token(form("grant_type", deviceGrant, "client_id", "plain", "device_code", code)).wants(t, 400, "unauthorized_client")
	k.poll("dwd_X").wants(t, 400, "invalid_grant")
	// RFC 8628 §5.1: guesses are bounded.
	b, tries := newBrowser(), 0
	for err := error(nil); !refused(err, "temporarily_unavailable"); tries++ {
		if err = k.enter(b, "BBBB-BBBC", true); err == nil || tries > 100 {
			t.Fatalf("%d guesses: %v", tries, err)
		}
	}
	off := newKit(t, func(c *authserver.Config) { c.Resources[0].Devices = false })
	off.send("POST", "/device_authorization", "client_id=tv").wants(t, 404, "")
	off.poll("dwd_X").wants(t, 400, "unsupported_grant_type")
}
