package cedar

import (
	"errors"
	"fmt"

	"golang.org/x/mod/sumdb/note"
)

// SignatureFile is the file of a bundle's signature: a signed note (C2SP signed-note) about the digest of the other files.
const SignatureFile = "bundle.sig"

// ErrUnsigned is the error of a bundle that nobody signed who should have.
var ErrUnsigned = errors.New("the bundle is not signed by one of the keys that policy.signed_by names")

// signed is the text that is signed.
func (f Files) signed() string { return "doorward policy bundle\n" + f.Digest() + "\n" }

// Sign is the content of SignatureFile for the bundle as it is. Whatever changes in it afterwards, it is signed no more.
func (f Files) Sign(s note.Signer) ([]byte, error) {
	signed, err := note.Sign(&note.Note{Text: f.signed()}, s)
	if err != nil {
		return nil, fmt.Errorf("signing a policy bundle: %w", err)
	}
	return signed, nil
}

// Verify is ErrUnsigned unless one of the keys signed the bundle as it is. The keys are verifier keys of signed notes.
func (f Files) Verify(keys []string) error {
	var all []note.Verifier
	for _, key := range keys {
		v, err := note.NewVerifier(key)
		if err != nil {
			return fmt.Errorf("reading a verifier key: %w", err)
		}
		all = append(all, v)
	}
	n, err := note.Open(f[SignatureFile], note.VerifierList(all...))
	if err != nil || n.Text != f.signed() {
		return ErrUnsigned
	}
	return nil
}
