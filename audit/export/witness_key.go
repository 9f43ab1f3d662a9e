package export

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/doorward-mcp/doorward/audit/verify"
)

// WitnessKey cosigns checkpoints as C2SP tlog-cosignature has it, with Ed25519. It is a note.Signer of the moment that now
// gives. The zero WitnessKey signs nothing that verifies.
type WitnessKey struct {
	name    string
	private ed25519.PrivateKey
}

const privateHead = "PRIVATE+KEY+"

var errWitnessKey = errors.New("not the key of a witness")

// NewWitnessKey makes a key. Its name SHOULD be an address without a scheme, such as witness.example.com/w1.
func NewWitnessKey(rand io.Reader, name string) (WitnessKey, error) {
	if name == "" || strings.ContainsAny(name, "+ \t\r\n") || strings.ToValidUTF8(name, "") != name {
		return WitnessKey{}, fmt.Errorf("%q cannot name a key: it is empty or has a space or a plus", name)
	}
	_, private, err := ed25519.GenerateKey(rand)
	if err != nil {
		return WitnessKey{}, fmt.Errorf("making the key of a witness: %w", err)
	}
	return WitnessKey{name, private}, nil
}

// ReadWitnessKey reads what Private gave.
func ReadWitnessKey(text string) (WitnessKey, error) {
	rest, ok := strings.CutPrefix(strings.TrimSpace(text), privateHead)
	name, rest, _ := strings.Cut(rest, "+")
	_, sum, _ := strings.Cut(rest, "+")
	b, err := base64.StdEncoding.Strict().DecodeString(sum)
	if !ok || err != nil || len(b) != 1+ed25519.SeedSize || b[0] != verify.KeyTypeCosigner {
		return WitnessKey{}, errWitnessKey
	}
	k := WitnessKey{name, ed25519.NewKeyFromSeed(b[1:])}
	if k.Private() != strings.TrimSpace(text) {
		return WitnessKey{}, errWitnessKey
	}
	return k, nil
}

// Private is the key itself, in the form that package note has for its own.
func (k WitnessKey) Private() string {
	return privateHead + k.text(k.private.Seed())
}

// Public is the verifier key.
func (k WitnessKey) Public() string { return k.text(k.private.Public().(ed25519.PublicKey)) }

func (k WitnessKey) text(material []byte) string {
	material = append([]byte{verify.KeyTypeCosigner}, material...)
	return fmt.Sprintf("%s+%08x+%s", k.name, k.hash(), base64.StdEncoding.EncodeToString(material))
}

func (k WitnessKey) hash() uint32 {
	return verify.KeyHash(k.name, append([]byte{verify.KeyTypeCosigner}, k.private.Public().(ed25519.PublicKey)...))
}

// at is the key at a moment, which its signature names.
func (k WitnessKey) at(now time.Time) cosigner { return cosigner{k, now} }

type cosigner struct {
	WitnessKey
	now time.Time
}

func (c cosigner) Name() string    { return c.name }
func (c cosigner) KeyHash() uint32 { return c.hash() }

// Sign gives the timestamp and the signature over it and the checkpoint.
func (c cosigner) Sign(text []byte) ([]byte, error) {
	if c.now.Unix() <= 0 { // C2SP tlog-witness: the timestamp MUST NOT be zero
		return nil, errors.New("cosigning: the clock stands before 1970")
	}
	b := binary.BigEndian.AppendUint64(nil, uint64(c.now.Unix()))
	return append(b, ed25519.Sign(c.private, verify.CosignedText(c.now, text))...), nil
}
