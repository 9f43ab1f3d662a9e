package token_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"

	"github.com/doorward-mcp/doorward/oauth"
	"github.com/doorward-mcp/doorward/token"
)

// must is v of a call that cannot fail in a test.
func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func thumbprint(public any) string {
	return base64.RawURLEncoding.EncodeToString(must((&jose.JSONWebKey{Key: public}).Thumbprint(crypto.SHA256)))
}

func hash(raw string) string {
	sum := sha256.Sum256([]byte(raw))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// proof is a proof for POST to the resource with the access token "access"; the changes make it another one.
func proof(t testing.TB, alg jose.SignatureAlgorithm, private crypto.Signer, changes ...change) string {
	t.Helper()
	return proofShowing(t, alg, private, jose.JSONWebKey{Key: private.Public()}, changes...)
}

// proofShowing shows another key than the one that signs.
func proofShowing(t testing.TB, alg jose.SignatureAlgorithm, private, jwk any, changes ...change) string {
	t.Helper()
	header := map[jose.HeaderKey]any{"typ": "dpop+jwt", "jwk": jwk}
	claims := map[string]any{"jti": "p1", "htm": "POST", "htu": resource, "iat": noon.Unix(), "ath": hash("access")}
	for _, c := range changes {
		c(header, claims)
	}
	s := must(jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: private}, &jose.SignerOptions{ExtraHeaders: header}))
	return must(must(s.Sign(must(json.Marshal(claims)))).CompactSerialize())
}

func head(name jose.HeaderKey, value any) change {
	return func(h map[jose.HeaderKey]any, _ map[string]any) {
		if h[name] = value; value == nil {
			delete(h, name)
		}
	}
}

func proofReason(t testing.TB, err error) string {
	t.Helper()
	if err == nil {
		return ""
	}
	var e *oauth.Error
	if !errors.As(err, &e) || e.Status != 400 || e.Code != "invalid_dpop_proof" {
		t.Fatalf("%#v", err)
	}
	return e.Reason
}

// The examples of RFC 9449, §4.1, §6.1 and §7.1, which nobody here wrote.
func TestTheProofsOfRFC9449(t *testing.T) {
	const header = "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0RscEJoRjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JEQSIsImNydiI6IlAtMjU2In19."
	for _, c := range []struct {
		proof, method, url, access, jti string
		at                              int64
	}{
		{header + "eyJqdGkiOiItQndDM0VTYzZhY2MybFRjIiwiaHRtIjoiUE9TVCIsImh0dSI6Imh0dHBzOi8vc2VydmVyLmV4YW1wbGUuY29tL3Rva2VuIiwiaWF0IjoxNTYyMjYyNjE2fQ.2-GxA6T8lP4vfrg8v-FdWP0A0zdrj8igiMLvqRMUvwnQg4PtFLbdLXiOSsX0x7NVY-FNyJK70nfbV37xRZT3Lg",
			"POST", "https://server.example.com/token", "", "-BwC3ESc6acc2lTc", 1562262616},
		{header + "eyJqdGkiOiJlMWozVl9iS2ljOC1MQUVCIiwiaHRtIjoiR0VUIiwiaHR1IjoiaHR0cHM6Ly9yZXNvdXJjZS5leGFtcGxlLm9yZy9wcm90ZWN0ZWRyZXNvdXJjZSIsImlhdCI6MTU2MjI2MjYxOCwiYXRoIjoiZlVIeU8ycjJaM0RaNTNFc05yV0JiMHhXWG9hTnk1OUlpS0NBcWtzbVFFbyJ9.2oW9RP35yRqzhrtNP86L-Ey71EOptxRimPPToA1plemAgR6pxHF8y6-yqyVnmcw6Fy1dqd-jfxSYoMxhAJpLjA",
			"GET", "https://resource.example.org/protectedresource", "Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU", "e1j3V_bKic8-LAEB", 1562262618},
	} {
		at := time.Unix(c.at, 0).UTC()
		got, err := token.ReadProof(at, token.Proof{Headers: []string{c.proof}, Method: c.method, URL: c.url}, c.access)
		want := token.Possession{Key: "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I", ID: c.jti, Issued: at, Until: at.Add(5*time.Minute + time.Second)}
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%v (-want +got)\n%s", err, diff)
		}
		got, err = token.ReadProof(at, token.Proof{Headers: []string{c.proof}, Method: c.method, URL: c.url + "/other"}, c.access)
		if proofReason(t, err) != "htu" || got != (token.Possession{}) {
			t.Errorf("elsewhere: %+v, %v", got, err)
		}
	}
}

// DPOP-ALG: every algorithm that metadata names is taken, and it names asymmetric ones only.
func TestEveryAlgorithmOfTheMetadataIsTaken(t *testing.T) {
	_, ed, _ := ed25519.GenerateKey(rand.Reader)
	rsaKey := must(rsa.GenerateKey(rand.Reader, 2048))
	keys := map[string]crypto.Signer{
		"ES256": must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)), "ES384": must(ecdsa.GenerateKey(elliptic.P384(), rand.Reader)),
		"RS256": rsaKey, "PS256": rsaKey, "EdDSA": ed,
	}
	if len(keys) != len(token.Algorithms()) {
		t.Errorf("%v", token.Algorithms())
	}
	for _, alg := range token.Algorithms() {
		private, ok := keys[alg]
		if !ok {
			t.Fatalf("%s is not tried", alg)
		}
		got, err := token.ReadProof(noon, token.Proof{Headers: []string{proof(t, jose.SignatureAlgorithm(alg), private)}, Method: "POST", URL: resource}, "access")
		if err != nil || got.Key != thumbprint(private.Public()) {
			t.Errorf("%s: %+v, %v", alg, got, err)
		}
	}
}

// DPOP-RS-VALIDATE, DPOP-RS-IAT, DPOP-ALG: each check of RFC 9449 §4.3 refuses with a reason of its own.
func TestReadProof(t *testing.T) {
	k, other := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)), must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	p521 := must(ecdsa.GenerateKey(elliptic.P521(), rand.Reader))
	short := must(rsa.GenerateKey(rand.Reader, 1024))
	es := func(changes ...change) string { return proof(t, jose.ES256, k, changes...) }
	public := jose.JSONWebKey{Key: k.Public()}
	whole := es()
	parts := strings.Split(whole, ".")
	encoded := func(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }
	for _, c := range []struct{ name, raw, want string }{
		{"good", whole, ""},
		{"good, with a nonce and more", es(claim("nonce", "n"), claim("more", 1)), ""},
		{"good, four minutes old", es(claim("iat", noon.Unix()-240)), ""},
		{"good, four minutes ahead", es(claim("iat", noon.Unix()+240)), ""},
		{"good, five minutes old", es(claim("iat", noon.Unix()-300)), ""},
		{"good, a jti of 256 bytes", es(claim("jti", strings.Repeat("j", 256))), ""},
		{"six minutes old", es(claim("iat", noon.Unix()-360)), "too_old"},
		{"just too old", es(claim("iat", noon.Unix()-301)), "too_old"},
		{"six minutes ahead", es(claim("iat", noon.Unix()+360)), "not_yet"},
		{"no iat", es(claim("iat", nil)), "too_old"},
		{"an iat of text", es(claim("iat", "now")), "malformed"},
		{"an iat beyond all clocks", es(claim("iat", 1e300)), "malformed"},
		{"no jti", es(claim("jti", nil)), "jti"},
		{"a jti of 257 bytes", es(claim("jti", strings.Repeat("j", 257))), "jti"},
		{"a jti that is a number", es(claim("jti", 1)), "malformed"},
		{"another method", es(claim("htm", "GET")), "htm"},
		{"the method in lower case", es(claim("htm", "post")), "htm"},
		{"no method", es(claim("htm", nil)), "htm"},
		{"another path", es(claim("htu", resource+"/x")), "htu"},
		{"another host", es(claim("htu", "https://evil.example/mcp")), "htu"},
		{"no address", es(claim("htu", nil)), "htu"},
		{"the hash of another token", es(claim("ath", hash("other"))), "ath"},
		{"no hash", es(claim("ath", nil)), "ath"},
		{"an empty hash", es(claim("ath", "")), "ath"},
		{"typ JWT", es(head("typ", "JWT")), "type"},
		{"no typ", es(head("typ", nil)), "type"},
		{"an access token", es(head("typ", "at+jwt")), "type"},
		{"no key", es(head("jwk", nil)), "no_key"},
		{"a key of null", es(head("jwk", json.RawMessage("null"))), "no_key"},
		{"a key by name only", es(head("jwk", nil), head("kid", "k")), "no_key"},
		{"a private key", es(head("jwk", jose.JSONWebKey{Key: k})), "private_key"},
		{"a private member beside a public key", es(head("jwk", with(public, "d", "AA"))), "private_key"},
		{"a symmetric key", es(head("jwk", jose.JSONWebKey{Key: []byte("secret")})), "private_key"},
		{"a key of an unknown kind", es(head("jwk", map[string]string{"kty": "XX"})), "malformed"},
		{"a key for encryption", es(head("jwk", with(public, "use", "enc"))), "key"},
		{"a key for another algorithm", es(head("jwk", with(public, "alg", "ES384"))), "key"},
		{"a short RSA key", proof(t, jose.RS256, short), "key"},
		{"a key of another kind", proofShowing(t, jose.ES256, k, jose.JSONWebKey{Key: short.Public()}), "key"},
		{"a key that did not sign", proofShowing(t, jose.ES256, other, public), "signature"},
		{"a curve that is not in use", proof(t, jose.ES512, p521), "algorithm"},
		{"a shared secret", proofShowing(t, jose.HS256, []byte(strings.Repeat("x", 32)), public), "algorithm"},
		{"the public key as a secret", proofShowing(t, jose.HS256, must(json.Marshal(public)), public), "algorithm"},
		{"alg none", encoded(`{"typ":"dpop+jwt","alg":"none","jwk":`+string(must(json.Marshal(public)))+`}`) + "." + parts[1] + ".", "algorithm"},
		{"an extension", es(head("crit", []string{"x"}), head("x", 1)), "critical"},
		{"an unencoded payload", es(head("crit", []string{"b64"}), head("b64", true)), "critical"},
		{"a claim that stands twice", parts[0] + "." + encoded(`{"jti":"a","jti":"b"}`) + "." + parts[2], "malformed"},
		{"another payload", parts[0] + "." + strings.Split(es(claim("jti", "p2")), ".")[1] + "." + parts[2], "signature"},
		{"no signature", parts[0] + "." + parts[1] + ".", "signature"},
		{"two parts", parts[0] + "." + parts[1], "malformed"},
		{"two proofs in one value", whole + ", " + whole, "malformed"},
		{"text", "proof", "malformed"},
		{"nothing", "", "malformed"},
		{"too long", es(claim("more", strings.Repeat("x", 8<<10))), "too_long"},
	} {
		got, err := token.ReadProof(noon, token.Proof{Headers: []string{c.raw}, Method: "POST", URL: resource}, "access")
		if reason := proofReason(t, err); reason != c.want {
			t.Errorf("%s: reason %q, want %q", c.name, reason, c.want)
		}
		if (err == nil) != (got.Key == thumbprint(k.Public())) || err != nil && got != (token.Possession{}) {
			t.Errorf("%s: %+v", c.name, got)
		}
	}
	for want, headers := range map[string][]string{"no_proof": nil, "several": {whole, whole}} {
		if _, err := token.ReadProof(noon, token.Proof{Headers: headers, Method: "POST", URL: resource}, "access"); proofReason(t, err) != want {
			t.Errorf("%s: %v", want, err)
		}
	}
	if p, err := token.ReadProof(noon, token.Proof{Headers: []string{es(claim("ath", nil), claim("nonce", "n"))}, Method: "POST", URL: resource}, ""); err != nil || p.Nonce != "n" {
		t.Errorf("without a token: %+v, %v", p, err)
	}
}

// with is a key with one member more.
func with(k jose.JSONWebKey, name, value string) map[string]any {
	var all map[string]any
	if err := json.Unmarshal(must(json.Marshal(k)), &all); err != nil {
		panic(err)
	}
	all[name] = value
	return all
}

// The time after which an ID may be forgotten is one at which the proof is refused.
func TestAProofIsRefusedWhenItsIDMayBeForgotten(t *testing.T) {
	k := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	for _, ahead := range []time.Duration{-5 * time.Minute, 0, 5 * time.Minute} {
		p := token.Proof{Headers: []string{proof(t, jose.ES256, k, claim("iat", float64(noon.Add(ahead).Unix())+0.9))}, Method: "POST", URL: resource}
		got, err := token.ReadProof(noon, p, "access")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := token.ReadProof(got.Until, p, "access"); proofReason(t, err) != "too_old" {
			t.Errorf("%s ahead: still good at %s", ahead, got.Until)
		}
	}
}

// RFC 9449 §4.3: htu is compared after the normalization of RFC 3986 §6.2.2 and §6.2.3, without query and fragment.
func TestTheAddressOfAProof(t *testing.T) {
	k := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	for _, c := range []struct {
		own, said string
		same      bool
	}{
		{"https://mcp.example/mcp", "https://mcp.example/mcp", true}, {"https://mcp.example/mcp", "HTTPS://MCP.Example/mcp", true}, {"https://mcp.example/mcp", "https://mcp.example:443/mcp", true},
		{"http://127.0.0.1:8080/mcp", "http://127.0.0.1:8080/mcp", true}, {"http://mcp.example/", "http://mcp.example:80", true}, {"https://mcp.example/mcp", "https://mcp.example:/mcp", true},
		{"https://mcp.example/mcp", "https://mcp.example/mcp?a=b", true}, {"https://mcp.example/mcp", "https://mcp.example/mcp#a", true}, {"https://mcp.example/mcp?x=y", "https://mcp.example/mcp", true},
		{"https://mcp.example/a~b/%C3%BC", "https://mcp.example/a%7eb/%c3%bc", true},
		{"https://mcp.example/mcp", "https://mcp.example/MCP", false}, {"https://mcp.example/mcp", "https://mcp.example/mcp/", false}, {"https://mcp.example/mcp", "http://mcp.example/mcp", false},
		{"https://mcp.example/mcp", "https://mcp.example:8443/mcp", false}, {"https://mcp.example/mcp", "https://mcp.example:80/mcp", false}, {"https://mcp.example/mcp", "https://user@mcp.example/mcp", false},
		{"https://mcp.example/mcp", "https://mcp.example.evil.example/mcp", false}, {"https://mcp.example/mcp", "//mcp.example/mcp", false}, {"https://mcp.example/mcp", "/mcp", false},
		{"https://mcp.example/mcp", "https://mcp.example/x/../mcp", false}, {"https://mcp.example/a/b", "https://mcp.example/a%2Fb", false}, {"https://mcp.example/mcp", "https:mcp.example/mcp", false},
		{"https://mcp.example/mcp", "https://mcp.example/mcp%", false}, {"https://mcp.example/mcp", "", false}, {"", "", false}, {"ftp://mcp.example/mcp", "ftp://mcp.example/mcp", false},
	} {
		_, err := token.ReadProof(noon, token.Proof{Headers: []string{proof(t, jose.ES256, k, claim("htu", c.said))}, Method: "POST", URL: c.own}, "access")
		if got := proofReason(t, err); c.same && got != "" || !c.same && got != "htu" {
			t.Errorf("%q for %q: %q", c.said, c.own, got)
		}
	}
}

// keyless is what a nonce would be if no key were a key.
func keyless(now time.Time) string {
	at := binary.BigEndian.AppendUint64(nil, uint64(now.Unix()))
	m := hmac.New(sha256.New, make([]byte, 32))
	m.Write(at)
	return base64.RawURLEncoding.EncodeToString(append(at, m.Sum(nil)[:16]...))
}

// RFC 9449 §8, §9: a nonce is good for five minutes with every holder of the key, and a stranger makes none.
func TestNonces(t *testing.T) {
	secret := []byte(strings.Repeat("k", 32))
	here, there, other, none := token.NewNonces(secret), token.NewNonces(secret), token.NewNonces([]byte("another")), token.Nonces{}
	nonce := here.Make(noon)
	for _, c := range []struct {
		name      string
		n         token.Nonces
		nonce     string
		after     time.Duration
		ok, stale bool
	}{
		{"at once", here, nonce, 0, true, false}, {"at another replica", there, nonce, 0, true, false}, {"whose clock is late", there, nonce, -30 * time.Second, true, false},
		{"whose clock is wrong", there, nonce, -31 * time.Second, false, false}, {"half its life", here, nonce, 150 * time.Second, true, false}, {"over half", here, nonce, 151 * time.Second, true, true},
		{"its whole life", here, nonce, 5 * time.Minute, true, true}, {"over", here, nonce, 5*time.Minute + time.Second, false, false}, {"of another key", other, nonce, 0, false, false},
		{"nobody's", none, nonce, 0, false, false}, {"of nobody", none, none.Make(noon), 0, false, false},
		{"made with no key for nobody", none, keyless(noon), 0, false, false}, {"none", here, "", 0, false, false}, {"cut", here, nonce[:len(nonce)-1], 0, false, false},
		{"longer", here, nonce + "A", 0, false, false}, {"with another time", here, there.Make(noon.Add(time.Minute))[:11] + nonce[11:], 0, false, false}, {"text", here, "nonce", 0, false, false},
	} {
		if ok, stale := c.n.Good(noon.Add(c.after), c.nonce); ok != c.ok || stale != c.stale {
			t.Errorf("%s: %v, %v", c.name, ok, stale)
		}
	}
	if none.Make(noon) != "" || token.NewNonces(nil) != none {
		t.Error("without a key nonces are made")
	}
}

// No text makes a proof but one that a key has signed for this call.
func FuzzReadProof(f *testing.F) {
	k := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	whole := proof(f, jose.ES256, k)
	f.Add(whole)
	f.Add(strings.Replace(whole, ".", "..", 1))
	f.Add("eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6Im5vbmUifQ.e30.")
	f.Add(proof(f, jose.ES256, k, head("jwk", jose.JSONWebKey{Key: []byte("x")})))
	f.Add(proof(f, jose.ES256, k, claim("htu", "https://mcp.example/%zz")))
	f.Fuzz(func(t *testing.T, raw string) {
		got, err := token.ReadProof(noon, token.Proof{Headers: []string{raw}, Method: "POST", URL: resource}, "access")
		if err == nil && got.Key == thumbprint(k.Public()) && !strings.HasPrefix(raw, whole[:strings.LastIndexByte(whole, '.')]) {
			t.Errorf("%q is taken as %+v", raw, got)
		}
		if proofReason(t, err) != "" && got != (token.Possession{}) {
			t.Errorf("%q: refused, and yet %+v", raw, got)
		}
	})
}
