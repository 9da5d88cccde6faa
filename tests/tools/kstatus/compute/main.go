// Command compute reads Kubernetes objects as JSON from its standard input, one after the other, and prints for each
// a line of JSON with what kstatus makes of it: its status and the message. It fails at the first object that kstatus
// cannot read.
package main

import (
	"encoding/json"
	"errors"
	"io"
	"log"
	"os"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/cli-utils/pkg/kstatus/status"
)

type result struct {
	Status  status.Status `json:"status"`
	Message string        `json:"message"`
}

func main() {
	log.SetFlags(0)
	if err := compute(os.Stdin, os.Stdout); err != nil {
		log.Fatal(err)
	}
}

func compute(from io.Reader, to io.Writer) error {
	decoder, encoder := json.NewDecoder(from), json.NewEncoder(to)
	for {
		// By way of bytes: kstatus reads generations as whole numbers, which only this decoder makes of them.
		var object json.RawMessage
		if err := decoder.Decode(&object); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		var read unstructured.Unstructured
		if err := read.UnmarshalJSON(object); err != nil {
			return err
		}
		found, err := status.Compute(&read)
		if err != nil {
			return err
		}
		if err := encoder.Encode(result{found.Status, found.Message}); err != nil {
			return err
		}
	}
}
