package cedar

import (
	"bytes"

	"github.com/cedar-policy/cedar-go/x/exp/ast"
)

// String is a clause as Cedar writes it.
func (c clause) String() string {
	if c.want {
		return cedarText(c.body)
	}
	return cedarText(ast.NodeTypeNot{UnaryNode: ast.UnaryNode{Arg: c.body}})
}

// cedarText is an expression as Cedar writes it: what stands in the braces of a policy that has nothing else.
func cedarText(n ast.IsNode) string {
	p := ast.Permit()
	p.When(ast.NewNode(n))
	text := newPolicy(*p).MarshalCedar()
	_, text, _ = bytes.Cut(text, []byte("when {"))
	end := bytes.LastIndexByte(text, '}')
	if end < 0 {
		return ""
	}
	return string(bytes.TrimSpace(text[:end]))
}
