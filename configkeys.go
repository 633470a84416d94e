package main

import (
	"cmp"
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"
)

// withKnownKeys says of every key that the configuration does not know which ones it knows there.
func withKnownKeys(err error) error {
	faults, ok := errors.AsType[*yaml.TypeError](err)
	if !ok {
		return fmt.Errorf("%w (see docs/configuration.md)", err)
	}
	keys := make(map[string]string)
	keysOf(reflect.TypeFor[fileConfig](), keys)
	unknown := regexp.MustCompile(`^line (\d+): field (.+) not found in type (\S+)$`)
	var told []string
	for _, text := range faults.Errors {
		if m := unknown.FindStringSubmatch(text); m != nil {
			text = fmt.Sprintf("line %s: unknown key %q (known here: %s)", m[1], m[2], cmp.Or(keys[m[3]], "none, it is one text"))
		}
		told = append(told, text)
	}
	return errors.New(strings.Join(told, "; "))
}

// keysOf a type, and of all types within it, by the type's name.
func keysOf(t reflect.Type, keys map[string]string) {
	switch t.Kind() {
	case reflect.Slice, reflect.Pointer, reflect.Map:
		keysOf(t.Elem(), keys)
		return
	case reflect.Struct:
	default:
		return
	}
	if _, done := keys[t.String()]; done {
		return
	}
	keys[t.String()] = ""
	var names []string
	for field := range t.Fields() {
		name, _, _ := strings.Cut(field.Tag.Get("yaml"), ",")
		if name != "" && name != "-" {
			names = append(names, name)
		}
		keysOf(field.Type, keys)
	}
	keys[t.String()] = strings.Join(names, ", ")
}
