package main

import (
	"cuelang.org/go/cue"
	"cuelang.org/go/cue/cuecontext"
)

// How long a compiled policy is kept. A context grows with what is evaluated in it, so that another takes its place
// after so many documents, or so many bytes of them; and only so many policies are kept, of so many bytes altogether.
const (
	mostDocuments     = 100
	mostDocumentBytes = 1 << 20
	mostPolicies      = 32
	mostPolicyBytes   = 256 << 10
)

// policy is a compiled one, with the context that it and the documents held against it are in.
type policy struct {
	context   *cue.Context
	value     cue.Value
	documents int
	bytes     int
}

// The policies that are kept, by their texts, and how long those are together.
var (
	policies    = map[string]*policy{}
	policyBytes int
)

// compile compiles a policy in a context of its own.
func compile(text string) *policy {
	context := cuecontext.New()
	return &policy{context: context, value: context.CompileString(text)}
}

// evaluateAfresh holds the document against the policy: nothing need be concrete, only conflicts count.
func evaluateAfresh(text string, bytes []byte) uint32 {
	policy := compile(text)
	if err := policy.value.Err(); err != nil {
		return conclude(invalidPolicy, err)
	}
	document := policy.context.CompileBytes(bytes)
	if err := document.Err(); err != nil {
		return conclude(invalidDocument, err)
	}
	return conclude(refused, policy.value.Unify(document).Validate())
}

// keep returns the compiled policy of that text, or what is wrong with it.
func keep(text []byte) (*policy, error) {
	kept := policies[string(text)]
	isKept := kept != nil
	if isKept && kept.documents < mostDocuments && kept.bytes < mostDocumentBytes {
		return kept, nil
	}
	kept = compile(string(text))
	if err := kept.value.Err(); err != nil {
		return nil, err
	}
	if !isKept && (len(policies) == mostPolicies || policyBytes+len(text) > mostPolicyBytes) {
		clear(policies)
		policyBytes = 0
	}
	if !isKept {
		policyBytes += len(text)
	}
	policies[string(text)] = kept
	return kept, nil
}

// accepts says whether the document has no conflict with the policy or in itself.
func (p *policy) accepts(document []byte) bool {
	p.documents++
	p.bytes += len(document)
	expression := read(document)
	if expression == nil {
		return false
	}
	// As an expression: of a file, the context would keep all there is. And as a value that is unified, not as the other
	// side of an `&`, within which a policy that is closed at its top is open to the document.
	return p.value.Unify(p.context.BuildExpr(expression)).Validate() == nil
}
