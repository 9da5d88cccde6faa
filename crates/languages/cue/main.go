// Command cue is CUE's own evaluator as a WebAssembly module that another program calls.
//
// The caller asks for room with buffer, writes its texts there, calls check or evaluate, and reads the answer's text
// from where text says, for textLength bytes, before it calls anything else.
package main

import (
	"runtime/debug"
	"unsafe"

	"cuelang.org/go/cue"
	"cuelang.org/go/cue/cuecontext"
)

// What a call comes to; crates/languages/src/cue/instance.rs has the same numbers.
const (
	accepted uint32 = iota
	invalidPolicy
	invalidDocument
	refused
	broken
)

// When the heap is swept. A call is short and leaves next to nothing, so that the heap may grow to a multiple of what
// lives, which is some megabytes; where much lives, the limit keeps it within what the caller gives an instance.
const (
	garbagePercent = 400
	memoryLimit    = 192 << 20
)

// Both are kept here so that they stay where the caller was told they are.
var input, answer []byte

func init() {
	debug.SetGCPercent(garbagePercent)
	debug.SetMemoryLimit(memoryLimit)
}

// buffer makes room for size bytes and returns its address.
//
//go:wasmexport buffer
func buffer(size uint32) uint32 {
	input = make([]byte, size)
	return address(input)
}

// check compiles the policy in the first length bytes of the buffer.
//
//go:wasmexport check
func check(length uint32) (status uint32) {
	defer recovered(&status)
	policy := cuecontext.New().CompileString(string(input[:length]))
	return conclude(invalidPolicy, policy.Err())
}

// evaluate holds the document, the last bytes of the buffer, against the policy in its first length bytes: nothing need
// be concrete, only conflicts count. The context, in which evaluations could meet, is its own.
//
//go:wasmexport evaluate
func evaluate(length uint32) (status uint32) {
	defer recovered(&status)
	context := cuecontext.New()
	policy := context.CompileString(string(input[:length]))
	if err := policy.Err(); err != nil {
		return conclude(invalidPolicy, err)
	}
	document := context.CompileBytes(input[length:])
	if err := document.Err(); err != nil {
		return conclude(invalidDocument, err)
	}
	return conclude(refused, policy.Unify(document).Validate())
}

// text returns the address of the last answer's text.
//
//go:wasmexport text
func text() uint32 {
	return address(answer)
}

// textLength returns the length of the last answer's text in bytes.
//
//go:wasmexport text_length
func textLength() uint32 {
	return uint32(len(answer))
}

// version returns the status and leaves the evaluator's version as text.
//
//go:wasmexport version
func version() uint32 {
	answer = []byte(cue.LanguageVersion())
	return accepted
}

func conclude(status uint32, err error) uint32 {
	if err == nil {
		answer = nil
		return accepted
	}
	answer = []byte(err.Error())
	return status
}

// recovered makes a panic of the evaluator an answer.
func recovered(status *uint32) {
	if cause := recover(); cause != nil {
		answer = nil
		*status = broken
	}
}

func address(bytes []byte) uint32 {
	return uint32(uintptr(unsafe.Pointer(unsafe.SliceData(bytes))))
}

func main() {}
