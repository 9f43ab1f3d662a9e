package cedar

import (
	"errors"
	"maps"

	"github.com/cedar-policy/cedar-go"

	"github.com/doorward-mcp/doorward/policy"
)

// Cedar is a request as Cedar's own authorizer takes it, with everything that rules could read.
func (e *Engine) Cedar(r policy.Request) (cedar.Request, cedar.EntityMap, error) {
	server := e.servers[r.Server]
	item, _ := r.Operation.Item()
	a := server.find(item)
	who, ok := e.subject(r)
	if a == nil || !ok {
		return cedar.Request{}, nil, errors.New("no such action or caller")
	}
	everything := &reading{whole: true}
	args, refused := a.args.read(r.Operation, everything)
	if refused != nil {
		return cedar.Request{}, nil, refused
	}
	entities := maps.Clone(e.entities)
	entities[who.uid], entities[a.known.UID] = who.itself(), a.known
	return cedar.Request{Principal: who.uid, Action: a.known.UID, Resource: serverUID(server.name), Context: e.context(&r, a, planContext(everything), &args)}, entities, nil
}
