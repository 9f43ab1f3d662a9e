package config

import (
	"crypto/sha256"
	"encoding"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/token"
)

// YAML is c as the file that says the same: Read gives c back, if Check has nothing against it. What is not given is not
// written. The error is that of a value that cannot be written, which none of a file's types is.
func (c Config) YAML() ([]byte, error) {
	var b strings.Builder
	if err := writeObject(&b, reflect.ValueOf(c), 0); err != nil {
		return nil, fmt.Errorf("writing the configuration: %w", err)
	}
	return []byte(b.String()), nil
}

// Digest is the SHA-256 of what YAML gives, in hexadecimal: what records call a configuration.
func (c Config) Digest() string {
	b, err := c.YAML()
	if err != nil {
		panic("config: every type of a file can be written: " + err.Error())
	}
	return fmt.Sprintf("%x", sha256.Sum256(b))
}

// The writer writes blocks and scalars and nothing else. The library's own leaves some texts bare that it reads back as
// something else, and sets some lists in the wrong column.

func writeObject(b *strings.Builder, v reflect.Value, indent int) error {
	var failed error
	members(v, func(key string, field reflect.Value) {
		if !field.IsZero() && failed == nil {
			failed = writeMember(b, key, field, indent)
		}
	})
	return failed
}

func writeMember(b *strings.Builder, key string, v reflect.Value, indent int) error {
	if v.Kind() == reflect.Pointer {
		v = v.Elem()
	}
	b.WriteString(strings.Repeat("  ", indent) + quote(key) + ":")
	if s, ok := scalarText(v); ok {
		b.WriteString(" " + s + "\n")
		return nil
	}
	b.WriteByte('\n')
	switch v.Kind() {
	case reflect.Struct:
		return writeObject(b, v, indent+1)
	case reflect.Map:
		keys := v.MapKeys()
		slices.SortFunc(keys, func(a, b reflect.Value) int { return strings.Compare(a.String(), b.String()) })
		for _, k := range keys {
			if err := writeMember(b, k.String(), v.MapIndex(k), indent+1); err != nil {
				return err
			}
		}
		return nil
	case reflect.Slice:
		return writeList(b, v, indent+1)
	}
	return fmt.Errorf("%s: a %s has no form in the file", key, v.Type())
}

func writeList(b *strings.Builder, v reflect.Value, indent int) error {
	for i := range v.Len() {
		dash := strings.Repeat("  ", indent) + "- "
		if s, ok := scalarText(v.Index(i)); ok {
			b.WriteString(dash + s + "\n")
			continue
		}
		if v.Index(i).Kind() != reflect.Struct {
			return fmt.Errorf("a list of %s has no form in the file", v.Type().Elem())
		}
		var entry strings.Builder
		if err := writeObject(&entry, v.Index(i), indent+1); err != nil {
			return err
		}
		b.WriteString(dash + strings.TrimLeft(entry.String(), " "))
	}
	return nil
}

// scalarText is a value that stands on the line of its key.
func scalarText(v reflect.Value) (string, bool) {
	if m, ok := v.Interface().(encoding.TextMarshaler); ok {
		b, err := m.MarshalText()
		return quote(string(b)), err == nil
	}
	if d, ok := v.Interface().(time.Duration); ok {
		return formatDuration(d), true
	}
	switch v.Kind() {
	case reflect.Struct:
		if one := word(v); one.IsValid() && one.String() != "" {
			return quote(one.String()), true
		}
	case reflect.String:
		return quote(v.String()), true
	case reflect.Bool:
		return strconv.FormatBool(v.Bool()), true
	case reflect.Int, reflect.Int32, reflect.Int64:
		return strconv.FormatInt(v.Int(), 10), true
	}
	return "", false
}

// quote is s as a scalar: bare where the library reads it back as this text, else in single quotes, in which nothing but
// the quote itself has a meaning.
func quote(s string) string {
	if t := lexer.Tokenize(s); len(t) == 1 && t[0].Type == token.StringType && t[0].Value == s && !strings.ContainsAny(s, "'\"`\\") {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", "''") + "'"
}
