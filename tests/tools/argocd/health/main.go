// Command health reads Kubernetes objects as JSON from its standard input, one after the other, and prints for each a
// line of JSON with what Argo CD makes of it by the health scripts of the ConfigMap argocd-cm in the file that its
// only argument names: the status and the message. It fails at the first object that has no script there, and where a
// script fails or says something that is no health.
//
// The scripts run as in Argo CD: by the same interpreter, with the libraries base, table and package, for a second at
// most, with the object as the global obj.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"slices"
	"time"

	lua "github.com/yuin/gopher-lua"
	"sigs.k8s.io/yaml"
)

const limit = time.Second

var known = []string{"Healthy", "Progressing", "Degraded", "Suspended"}

type result struct {
	Status  string `json:"status"`
	Message string `json:"message"`
}

type scripts map[string]string

func main() {
	log.SetFlags(0)
	if len(os.Args) != 2 {
		log.Fatal("usage: health <file of the ConfigMap argocd-cm>")
	}
	scripts, err := read(os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	if err := scripts.judge(os.Stdin, os.Stdout); err != nil {
		log.Fatal(err)
	}
}

func read(path string) (scripts, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var configMap struct {
		Data scripts `json:"data"`
	}
	if err := yaml.Unmarshal(text, &configMap); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return configMap.Data, nil
}

func (s scripts) judge(from io.Reader, to io.Writer) error {
	decoder, encoder := json.NewDecoder(from), json.NewEncoder(to)
	for {
		var object map[string]any
		if err := decoder.Decode(&object); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		script, err := s.of(object)
		if err != nil {
			return err
		}
		found, err := run(script, object)
		if err != nil {
			return err
		}
		if err := encoder.Encode(found); err != nil {
			return err
		}
	}
}

// of returns the script for an object: Argo CD finds it by group and kind.
func (s scripts) of(object map[string]any) (string, error) {
	version, _ := object["apiVersion"].(string)
	kind, _ := object["kind"].(string)
	group := ""
	for at, letter := range version {
		if letter == '/' {
			group = version[:at] + "_"
		}
	}
	key := "resource.customizations.health." + group + kind
	script, is := s[key]
	if !is {
		return "", fmt.Errorf("there is no %s", key)
	}
	return script, nil
}

func run(script string, object map[string]any) (*result, error) {
	state := lua.NewState(lua.Options{SkipOpenLibs: true})
	defer state.Close()
	for _, open := range []lua.LGFunction{lua.OpenPackage, lua.OpenBase, lua.OpenTable} {
		state.Push(state.NewFunction(open))
		if err := state.PCall(0, 0, nil); err != nil {
			return nil, err
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	state.SetContext(ctx)
	state.SetGlobal("obj", value(state, object))
	if err := state.DoString(script); err != nil {
		return nil, err
	}
	table, is := state.Get(-1).(*lua.LTable)
	if !is {
		return nil, fmt.Errorf("the script returns a %s, and not a table", state.Get(-1).Type())
	}
	found := &result{}
	if status, is := table.RawGetString("status").(lua.LString); is {
		found.Status = string(status)
	}
	switch message := table.RawGetString("message").(type) {
	case lua.LString:
		found.Message = string(message)
	case *lua.LNilType:
	default:
		return nil, fmt.Errorf("the message is a %s", message.Type())
	}
	if !slices.Contains(known, found.Status) {
		return nil, fmt.Errorf("%q is no health", found.Status)
	}
	return found, nil
}

func value(state *lua.LState, from any) lua.LValue {
	switch from := from.(type) {
	case bool:
		return lua.LBool(from)
	case float64:
		return lua.LNumber(from)
	case string:
		return lua.LString(from)
	case []any:
		table := state.CreateTable(len(from), 0)
		for _, one := range from {
			table.Append(value(state, one))
		}
		return table
	case map[string]any:
		table := state.CreateTable(0, len(from))
		for name, one := range from {
			table.RawSetString(name, value(state, one))
		}
		return table
	default:
		return lua.LNil
	}
}
