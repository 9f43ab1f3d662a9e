// Plain is an http.Handler that takes the tokens of one Doorward. What it takes to protect it stands in protect.go.
//
//	go run ./examples/plain --issuer https://auth.example.com --url http://127.0.0.1:8095
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"net/http"
	"net/url"

	"github.com/doorward-mcp/doorward/guard"
)

func main() {
	issuer := flag.String("issuer", "http://127.0.0.1:8080", "`address` of the authorization server")
	address := flag.String("url", "http://127.0.0.1:8095", "`address` of this program")
	flag.Parse()
	u, err := url.Parse(*address)
	if err != nil {
		log.Fatal(err)
	}
	mux := http.NewServeMux()
	if err := protect(mux, *issuer, *address, http.HandlerFunc(answer)); err != nil {
		log.Fatal(err)
	}
	log.Fatal(http.ListenAndServe(u.Host, mux))
}

// answer is a server without a library: it answers each request with who asks.
func answer(w http.ResponseWriter, r *http.Request) {
	call, ok := guard.From(r.Context())
	if !ok {
		http.Error(w, "there is no caller", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	b, err := json.Marshal(call.Caller.Subject + " through " + call.Caller.Client)
	if err != nil {
		http.Error(w, "there is no answer", http.StatusInternalServerError)
		return
	}
	for _, op := range call.Message.Operations {
		if op.ID == "" { // a notification has no answer
			w.WriteHeader(http.StatusAccepted)
			return
		}
		_, _ = fmt.Fprintf(w, `{"jsonrpc":"2.0","id":%s,"result":{"you":%s}}`, op.ID, b)
	}
}
