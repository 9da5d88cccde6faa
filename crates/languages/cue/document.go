package main

import (
	"bytes"

	"cuelang.org/go/cue/ast"
	"cuelang.org/go/cue/token"
)

// deepest is how deep a document may nest here. The caller refuses what nests deeper.
const deepest = 128

// reader reads JSON as an expression of CUE, in which it is text that stands as it stands: what CUE's parser does as
// well, with care for much that JSON does not have. The caller has seen that it is JSON; where it is not, nothing comes
// of it.
type reader struct {
	rest []byte
}

// read returns the expression, or none.
func read(document []byte) ast.Expr {
	reader := reader{document}
	expression := reader.value(0)
	if reader.next() != 0 {
		return nil
	}
	return expression
}

// next skips what is blank, and returns the byte after it; 0 at the end.
func (r *reader) next() byte {
	for at, found := range r.rest {
		switch found {
		case ' ', '\t', '\r', '\n':
		default:
			r.rest = r.rest[at:]
			return found
		}
	}
	r.rest = nil
	return 0
}

// skip takes the next byte if it is the wanted one.
func (r *reader) skip(wanted byte) bool {
	if r.next() != wanted {
		return false
	}
	r.rest = r.rest[1:]
	return true
}

func (r *reader) value(depth int) ast.Expr {
	if depth > deepest {
		return nil
	}
	switch found := r.next(); {
	case found == '{':
		return r.object(depth)
	case found == '[':
		return r.list(depth)
	case found == '"':
		if text := r.text(); text != nil {
			return text
		}
		return nil
	case found == '-':
		r.rest = r.rest[1:]
		if number := r.number(); number != nil {
			return &ast.UnaryExpr{Op: token.SUB, X: number}
		}
		return nil
	case '0' <= found && found <= '9':
		if number := r.number(); number != nil {
			return number
		}
		return nil
	case r.word("true"):
		return &ast.BasicLit{Kind: token.TRUE, Value: "true"}
	case r.word("false"):
		return &ast.BasicLit{Kind: token.FALSE, Value: "false"}
	case r.word("null"):
		return &ast.BasicLit{Kind: token.NULL, Value: "null"}
	}
	return nil
}

func (r *reader) object(depth int) ast.Expr {
	object := &ast.StructLit{}
	r.skip('{')
	if r.skip('}') {
		return object
	}
	for {
		name := r.text()
		if name == nil || !r.skip(':') {
			return nil
		}
		value := r.value(depth + 1)
		if value == nil {
			return nil
		}
		object.Elts = append(object.Elts, &ast.Field{Label: name, Value: value})
		if r.skip('}') {
			return object
		}
		if !r.skip(',') {
			return nil
		}
	}
}

func (r *reader) list(depth int) ast.Expr {
	list := &ast.ListLit{}
	r.skip('[')
	if r.skip(']') {
		return list
	}
	for {
		value := r.value(depth + 1)
		if value == nil {
			return nil
		}
		list.Elts = append(list.Elts, value)
		if r.skip(']') {
			return list
		}
		if !r.skip(',') {
			return nil
		}
	}
}

// text takes a string, with its quotes and escapes. One with `\(` is no JSON, and would be more than text.
func (r *reader) text() *ast.BasicLit {
	if r.next() != '"' {
		return nil
	}
	for at := 1; at < len(r.rest); at++ {
		switch r.rest[at] {
		case '"':
			text := string(r.rest[:at+1])
			r.rest = r.rest[at+1:]
			return &ast.BasicLit{Kind: token.STRING, Value: text}
		case '\\':
			at++
			if at < len(r.rest) && r.rest[at] == '(' {
				return nil
			}
		}
	}
	return nil
}

// number takes digits, and what may follow them.
func (r *reader) number() *ast.BasicLit {
	kind, end := token.INT, 0
	for ; end < len(r.rest); end++ {
		found := r.rest[end]
		switch {
		case '0' <= found && found <= '9':
			continue
		case found == '.' || found == 'e' || found == 'E' || found == '+' || found == '-':
			kind = token.FLOAT
			continue
		}
		break
	}
	if end == 0 {
		return nil
	}
	text := string(r.rest[:end])
	r.rest = r.rest[end:]
	return &ast.BasicLit{Kind: kind, Value: text}
}

func (r *reader) word(wanted string) bool {
	if !bytes.HasPrefix(r.rest, []byte(wanted)) {
		return false
	}
	r.rest = r.rest[len(wanted):]
	return true
}
