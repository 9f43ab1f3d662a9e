package cedar

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/doorward-mcp/doorward/mcp"
)

// ReadDefinitions reads schema/NAME.json of a bundle:
//
//	{
//	  "server": "crm",
//	  "tools": {
//	    "delete_user": [
//	      {
//	        "hash": "sha256:9f86…",
//	        "definition": {…}
//	      }
//	    ]
//	  },
//	  "prompts": {},
//	  "templates": {}
//	}
//
// It is refused whole if a member is unknown, a hash does not fit its definition, or arguments cannot be checked by one. The error
// says the line.
func ReadDefinitions(server string, data []byte) (*Definitions, error) {
	r := &definitionsReader{Definitions: NewDefinitions(server), data: data, d: jsontext.NewDecoder(bytes.NewReader(data))}
	err := r.file()
	if err == nil {
		if _, end := r.d.ReadToken(); end != io.EOF {
			err = errors.New("something follows the definitions")
		}
	}
	if err != nil {
		return nil, &definitionsError{server: server, line: r.line(), err: err}
	}
	return r.Definitions, nil
}

// definitionsError is what is wrong with a file of definitions, and where.
type definitionsError struct {
	server string
	line   int
	err    error
}

func (e *definitionsError) Error() string {
	return fmt.Sprintf("reading the definitions of %s: line %d: %v", e.server, e.line, e.err)
}

func (e *definitionsError) Unwrap() error { return e.err }

// definitionsReader goes over the file once.
type definitionsReader struct {
	*Definitions
	data []byte
	d    *jsontext.Decoder
	at   int64 // where what is being read begins; 0: where the decoder is
}

func (r *definitionsReader) line() int {
	at := r.at
	if at == 0 {
		at = r.d.InputOffset()
	}
	return 1 + bytes.Count(r.data[:min(at, int64(len(r.data)))], []byte("\n"))
}

// open reads the token with which a value of a kind begins; of another kind, the error says what is wrong.
func (r *definitionsReader) open(kind jsontext.Kind, wrong string) error {
	switch r.d.PeekKind() {
	case 0:
		return errNoJSON
	case kind:
	default:
		return errors.New(wrong)
	}
	if _, err := r.d.ReadToken(); err != nil {
		return errNoJSON
	}
	return nil
}

// members reads an object and calls each with every name.
func (r *definitionsReader) members(what string, each func(name string) error) error {
	if err := r.open('{', what+" is no object"); err != nil {
		return err
	}
	for r.d.PeekKind() != '}' {
		name, err := r.d.ReadToken()
		if err != nil {
			return errNoJSON
		}
		if err := each(name.String()); err != nil {
			return err
		}
	}
	if _, err := r.d.ReadToken(); err != nil {
		return errNoJSON
	}
	return nil
}

var errNoJSON = errors.New("this is no JSON, or a name stands twice in one object")

func (r *definitionsReader) file() error {
	named := false
	err := r.members("the file", func(name string) error {
		if name == "server" {
			said, err := r.text("server")
			if err == nil && said != r.server {
				err = fmt.Errorf("these are the definitions of %q", said)
			}
			named = true
			return err
		}
		for _, k := range definitionKinds {
			if k.member == name {
				return r.members(name, func(item string) error { return r.item(k.kind, item) })
			}
		}
		return fmt.Errorf("there is no member %q: server, tools, prompts and templates are", name)
	})
	if err == nil && !named {
		err = errors.New("it does not say whose definitions these are: server is missing")
	}
	return err
}

func (r *definitionsReader) item(kind, name string) error {
	if err := r.open('[', "what is accepted of "+visible(name)+" is no list"); err != nil {
		return err
	}
	for r.d.PeekKind() != ']' {
		if err := r.definition(kind, name); err != nil {
			return err
		}
	}
	if _, err := r.d.ReadToken(); err != nil {
		return errNoJSON
	}
	if len(r.of[mcp.Item{Kind: kind, Name: name}]) == 0 {
		return fmt.Errorf("nothing is accepted of %s: leave it out", visible(name))
	}
	return nil
}

// definition reads one definition with its hash, and holds them against each other and against the name that they stand under.
func (r *definitionsReader) definition(kind, name string) error {
	var hash string
	var raw jsontext.Value
	var at int64
	err := r.members("an accepted definition", func(member string) (err error) {
		switch member {
		case "hash":
			at = r.d.InputOffset()
			hash, err = r.text("hash")
			return err
		case "definition":
			if raw, err = r.d.ReadValue(); err != nil {
				return errNoJSON
			}
			if raw = raw.Clone(); raw.Compact() != nil { // of what is bounded, line breaks are no part
				return errNoJSON
			}
			return nil
		}
		return fmt.Errorf("there is no member %q: hash and definition are", member)
	})
	if err != nil {
		return err
	}
	r.at = max(at, 1)
	computed := mcp.HashDefinition(raw)
	if raw == nil || computed.String() != hash {
		return fmt.Errorf("the hash of %s does not fit its definition, which has been changed since it was accepted", visible(name))
	}
	said, one, err := readDefinition(kind, raw)
	if err != nil {
		return err
	}
	if said != name {
		return fmt.Errorf("what is accepted of %s is the definition of %s", visible(name), visible(said))
	}
	added, err := r.add(mcp.Item{Kind: kind, Name: name}, one)
	if err == nil && !added {
		err = fmt.Errorf("a definition of %s stands here twice", visible(name))
	}
	if err != nil {
		return err
	}
	r.at = 0
	return nil
}

func (r *definitionsReader) text(what string) (string, error) {
	if r.d.PeekKind() != '"' {
		return "", fmt.Errorf("%s is no string", what)
	}
	t, err := r.d.ReadToken()
	if err != nil {
		return "", errNoJSON
	}
	return t.String(), nil
}
