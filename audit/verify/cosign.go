package verify

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"
)

// KeyTypeCosigner is the type of keys that cosign with Ed25519 (C2SP tlog-cosignature). Keys of ML-DSA-44 (0x06) are not
// known here.
const KeyTypeCosigner = 0x04

// Cosigner is the verifier of a witness's key in vkey form.
func Cosigner(vkey string) (note.Verifier, error) {
	name, hash, material, err := splitKey(vkey)
	if err != nil {
		return nil, err
	}
	if len(material) != 1+ed25519.PublicKeySize || material[0] != KeyTypeCosigner {
		return nil, fmt.Errorf("key %s is not one that cosigns with Ed25519", name)
	}
	return cosigner{name, hash, ed25519.PublicKey(material[1:])}, nil
}

type cosigner struct {
	name string
	hash uint32
	key  ed25519.PublicKey
}

func (c cosigner) Name() string    { return c.name }
func (c cosigner) KeyHash() uint32 { return c.hash }

// Verify takes the eight bytes of time and the signature.
func (c cosigner) Verify(text, sig []byte) bool {
	if len(sig) != 8+ed25519.SignatureSize {
		return false
	}
	at := binary.BigEndian.Uint64(sig)
	// C2SP tlog-cosignature: the timestamp MUST NOT exceed 2^63 - 1. tlog-witness: it MUST NOT be zero.
	if at == 0 || at > 1<<63-1 {
		return false
	}
	return ed25519.Verify(c.key, CosignedText(time.Unix(int64(at), 0), text), sig[8:])
}

// CosignedText is what an Ed25519 cosignature of a checkpoint signs.
func CosignedText(at time.Time, checkpoint []byte) []byte {
	return append(fmt.Appendf(nil, "cosignature/v1\ntime %d\n", at.Unix()), checkpoint...)
}

// KeyHash is the id of a key (C2SP signed-note): of its name, its type and its bytes.
func KeyHash(name string, material []byte) uint32 {
	sum := sha256.Sum256(append([]byte(name+"\n"), material...))
	return binary.BigEndian.Uint32(sum[:])
}

var errKey = errors.New("not a verifier key")

// splitKey reads a vkey: the key's name, its id in hex, and its type and bytes in base64.
func splitKey(vkey string) (name string, hash uint32, material []byte, err error) {
	name, rest, _ := strings.Cut(vkey, "+")
	id, sum, ok := strings.Cut(rest, "+")
	n, bad := strconv.ParseUint(id, 16, 32)
	if !ok || name == "" || len(id) != 8 || bad != nil || strings.ContainsAny(name, " \t\r\n") {
		return "", 0, nil, errKey
	}
	material, err = base64.StdEncoding.Strict().DecodeString(sum)
	if err != nil || len(material) == 0 || KeyHash(name, material) != uint32(n) {
		return "", 0, nil, errKey
	}
	return name, uint32(n), material, nil
}
