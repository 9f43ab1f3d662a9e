package login

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/doorward-mcp/doorward/audit"
	"github.com/doorward-mcp/doorward/token"
)

// ErrNotFound is a store's error for what is not there, or is there no longer. ErrTaken is its error for a name that
// somebody has. ErrName is the error of a name that nobody can have.
var (
	ErrNotFound = errors.New("not found")
	ErrTaken    = errors.New("the name is taken")
	ErrName     = errors.New("the name cannot be used")
)

// Person is a local account.
type Person struct {
	token.Principal
	Name     string
	Password string // Argon2id in PHC form; empty: none, only links sign in
	Groups   []string
	Disabled bool
}

// Session is who this browser is signed in as. The zero Session is nobody.
type Session struct {
	token.Principal
	Name   string
	Groups []string
	At     time.Time // when the person signed in
	ACR    string
}

// Nobody reports whether nobody is signed in.
func (s Session) Nobody() bool { return s.Subject == "" }

// SingleFactor is the acr of everybody who signs in here: with a password, or with a link that an administrator gave.
const SingleFactor = "urn:doorward:single-factor"

// Store is everything that this package keeps. Reading takes now; changing takes an Intent, which has it.
type Store struct {
	People   People
	Sessions Sessions
	Links    Links
	Vault    Vault
}

// People are local accounts.
type People interface {
	Person(ctx context.Context, now time.Time, name string) (Person, error)
	Name(ctx context.Context, p token.Principal) (string, error) // ErrNotFound: somebody without an account here
	Add(ctx context.Context, in audit.Intent, p Person) error    // ErrTaken
	// SetGroups replaces the groups of a person, and with end takes back everything that the person has granted.
	SetGroups(ctx context.Context, in audit.Intent, p token.Principal, groups []string, end bool) error
	// Erase deletes everything of a person, the account too, and takes back what was granted. There need not be anything.
	Erase(ctx context.Context, in audit.Intent, p token.Principal) error
}

// Sessions are kept by the SHA-256 of their cookie.
type Sessions interface {
	Start(ctx context.Context, in audit.Intent, hash [32]byte, s Session, idle, most time.Duration) error
	// Session moves the idle time on. ErrNotFound: ended, or the person is disabled.
	Session(ctx context.Context, now time.Time, hash [32]byte) (Session, error)
	End(ctx context.Context, in audit.Intent, hash [32]byte) error
}

// Links sign in once. They are kept by the SHA-256 of their secret.
type Links interface {
	Make(ctx context.Context, in audit.Intent, hash [32]byte, subject string, until time.Time) error
	// Link is whose it is, while it is good; it does not use it up.
	Link(ctx context.Context, now time.Time, hash [32]byte) (Person, error)
	// Use uses it up. ErrNotFound: used, too old, or never made.
	Use(ctx context.Context, in audit.Intent, hash [32]byte) (Person, error)
}

// Lifetimes of what people have; a member that is zero is the default beside it.
type Lifetimes struct {
	SessionIdle time.Duration `yaml:"session_idle"` // 1 h
	SessionMost time.Duration `yaml:"session_most"` // 12 h
	Link        time.Duration `yaml:"sign_in_link"` // 15 min
}

// WithDefaults fills in what is zero.
func (l Lifetimes) WithDefaults() Lifetimes {
	for _, d := range []struct {
		v   *time.Duration
		def time.Duration
	}{{&l.SessionIdle, time.Hour}, {&l.SessionMost, 12 * time.Hour}, {&l.Link, 15 * time.Minute}} {
		if *d.v == 0 {
			*d.v = d.def
		}
	}
	return l
}

// Config is one place to sign in.
type Config struct {
	Issuer    string
	Cookie    func(purpose string) string // the name of a cookie, with the instance in it
	Lifetimes Lifetimes
	Log       *audit.Log
	Store
}

// Login is safe for concurrent use.
type Login struct {
	c        Config
	throttle *throttle
	hashing  chan struct{} // a place for each password hash under way
}

// New makes a Login.
func New(c Config) *Login {
	c.Lifetimes = c.Lifetimes.WithDefaults()
	return &Login{c: c, throttle: newThrottle(), hashing: make(chan struct{}, 2)}
}

func (l *Login) secure() bool { return strings.HasPrefix(l.c.Issuer, "https://") }

func (l *Login) cookie(value string, age int) *http.Cookie {
	return &http.Cookie{Name: l.c.Cookie("session"), Value: value, Path: "/", MaxAge: age, HttpOnly: true, Secure: l.secure(), SameSite: http.SameSiteLaxMode}
}
