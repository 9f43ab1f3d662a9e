// Package seal encrypts what must be kept secret at rest: tokens of third parties, private keys, the secrets of grants, personal data.
//
// It wraps nothing that moves between parties, keeps no state and knows no database. One [Box] holds one key-encryption key of 32 bytes.
// The envelope that Seal gives, and Open reads, is
//
//	version   1 byte, 1
//	key id    4 bytes, which key-encryption key sealed it
//	salt     16 bytes, random
//	nonce    12 bytes, random
//	text      as long as the plain text, AES-256-GCM
//	tag      16 bytes
//
// The key of each message is HKDF-SHA256(key-encryption key, salt), so that one key-encryption key may seal any number of messages:
// the bound of NIST SP 800-38D §8.3 for random nonces holds for each derived key, and each seals one message.
// The additional data is the version, the key id and the caller's context. The context says where the secret stands
// ("grant/secret/" and the row's id, say): a ciphertext that is moved to another row or put to another purpose does not open.
package seal

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// KeySize is the length of a key-encryption key in bytes.
const KeySize = 32

const (
	version    = 1
	keyIDSize  = 4
	saltSize   = 16
	headerSize = 1 + keyIDSize
	overhead   = headerSize + saltSize + 12 + 16
)

// The labels keep the two uses of the key-encryption key apart (RFC 5869 §3.2).
const (
	labelMessage = "doorward seal 1 message key"
	labelKeyID   = "doorward seal 1 key id"
)

var (
	// ErrWrongKey says that the envelope was sealed under another key-encryption key: the key was replaced, or the data is another installation's.
	ErrWrongKey = errors.New("sealed under another key-encryption key")

	// ErrTampered says that the envelope is not one that this key sealed for this context: it was altered, cut, or moved from another place.
	ErrTampered = errors.New("sealed data was altered, or belongs to another place")
)

// Box seals and opens under one key-encryption key. It is safe for concurrent use and prints as [redacted].
// The zero Box has no key: its methods return an error.
type Box struct {
	kek []byte
	id  [keyIDSize]byte
}

// New returns the Box of a key of KeySize random bytes, which it copies.
func New(key []byte) (*Box, error) {
	if len(key) != KeySize {
		return nil, fmt.Errorf("key-encryption key has %d bytes, must have %d", len(key), KeySize)
	}
	derived, err := hkdf.Key(sha256.New, key, nil, labelKeyID, sha256.Size)
	if err != nil {
		return nil, fmt.Errorf("deriving the id of the key-encryption key: %w", err)
	}
	b := &Box{kek: slices.Clone(key)}
	sum := sha256.Sum256(derived)
	copy(b.id[:], sum[:])
	return b, nil
}

// Parse returns the Box of a key in standard base64, as a key file, an environment variable or a keychain holds it.
// White space around the key is ignored. The error never repeats the text.
func Parse(text string) (*Box, error) {
	key, err := base64.StdEncoding.Strict().DecodeString(strings.TrimSpace(text))
	if err != nil || len(key) != KeySize {
		return nil, fmt.Errorf("not a key-encryption key: must be %d bytes in base64, as `openssl rand -base64 %d` prints", KeySize, KeySize)
	}
	return New(key)
}

// NewKey returns a fresh random key in the form that Parse reads.
func NewKey() string {
	key := make([]byte, KeySize)
	rand.Read(key) // never returns an error: see crypto/rand
	return base64.StdEncoding.EncodeToString(key)
}

// Seal encrypts plain for one place, which context names. Neither argument is kept; the result shares no memory with them.
// It is 49 bytes longer than plain, and different at every call.
func (b *Box) Seal(plain, context []byte) ([]byte, error) {
	if len(b.kek) == 0 {
		return nil, errors.New("sealing without a key-encryption key")
	}
	out := make([]byte, headerSize+saltSize, len(plain)+overhead)
	out[0] = version
	copy(out[1:], b.id[:])
	salt := out[headerSize:]
	rand.Read(salt)

	aead, err := b.message(salt)
	if err != nil {
		return nil, err
	}
	return aead.Seal(out, nil, plain, additional(out[:headerSize], context)), nil
}

// Open decrypts what Seal gave for the same context. Its errors wrap ErrWrongKey or ErrTampered; an error comes with no plain text.
func (b *Box) Open(sealed, context []byte) ([]byte, error) {
	if len(b.kek) == 0 {
		return nil, errors.New("opening sealed data without a key-encryption key")
	}
	if len(sealed) < overhead {
		return nil, fmt.Errorf("%w: %d bytes are too few", ErrTampered, len(sealed))
	}
	if sealed[0] != version {
		return nil, fmt.Errorf("%w: unknown version %d", ErrTampered, sealed[0])
	}
	header, rest := sealed[:headerSize], sealed[headerSize:]
	if subtle.ConstantTimeCompare(header[1:], b.id[:]) != 1 {
		return nil, fmt.Errorf("%w: it has key id %x, this key has %x", ErrWrongKey, header[1:], b.id)
	}
	aead, err := b.message(rest[:saltSize])
	if err != nil {
		return nil, err
	}
	plain, err := aead.Open(nil, nil, rest[saltSize:], additional(header, context))
	if err != nil {
		return nil, ErrTampered
	}
	return plain, nil
}

// Format prints the Box without its key, whatever the verb.
func (b Box) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "[redacted]") }

// message returns the cipher of one message, which puts its random nonce before the text.
func (b *Box) message(salt []byte) (cipher.AEAD, error) {
	key, err := hkdf.Key(sha256.New, b.kek, salt, labelMessage, 32)
	if err != nil {
		return nil, fmt.Errorf("deriving a message key: %w", err)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("preparing a message key: %w", err)
	}
	return cipher.NewGCMWithRandomNonce(block)
}

// additional is unambiguous because the header's length is fixed.
func additional(header, context []byte) []byte {
	return append(append(make([]byte, 0, len(header)+len(context)), header...), context...)
}
