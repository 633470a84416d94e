package node

import (
	"path"
	"slices"
	"strings"
)

// Kind is how a container tells which model server it runs, before its page can be read.
type Kind struct {
	// Name of the server, "vllm".
	Name string
	// Images are beginnings of the last element of the container image's name; one with a slash is the beginning of the name,
	// without the registry, from any element on: "tritonserver" fits nvcr.io/nvidia/tritonserver:26.10-py3, and "nim/" all of
	// nvcr.io/nim.
	Images []string
	// Commands are words in a row on the container's command line, "vllm serve"; of a word with a path the last element
	// counts.
	Commands []string
}

// KindOf returns the name of the kind that a pod's containers are of, empty for none: the first image that is of one tells it, else
// the first command line, and then byCommand is true.
func KindOf(kinds []Kind, containers []Container) (name string, byCommand bool) {
	for i := range containers {
		if name = kindOfImage(kinds, containers[i].Image); name != "" {
			return name, false
		}
	}
	for i := range containers {
		if name = kindOfCommand(kinds, containers[i].Args); name != "" {
			return name, true
		}
	}
	return "", false
}

// kindOfImage returns the name of the first kind that the image is of, empty for none.
func kindOfImage(kinds []Kind, image string) string {
	for i := range kinds {
		if kinds[i].hasImage(image) {
			return kinds[i].Name
		}
	}
	return ""
}

// hasImage says whether the image is of the kind.
func (k *Kind) hasImage(image string) bool {
	name, tag := imageName(image)
	return slices.ContainsFunc(k.Images, func(part string) bool {
		rest, ok := after(name, part)
		return ok && !goesWith(rest) && !goesWith(tag)
	})
}

// after returns what follows the part in the name, if the name's last element begins with it; where the part has a slash, if
// the name does from any of its elements on.
func after(name, part string) (rest string, ok bool) {
	if strings.Contains(part, "/") {
		_, rest, ok = strings.Cut("/"+name, "/"+part)
		return rest, ok
	}
	return strings.CutPrefix(name[strings.LastIndexByte(name, '/')+1:], part)
}

// goesWith says whether the rest of an image's name, or its tag, is that of a program that goes with a server and is none, as
// in "vllm-router" and "tritonserver:26.10-py3-sdk".
func goesWith(words string) bool {
	for word := range strings.FieldsFuncSeq(words, func(r rune) bool { return strings.ContainsRune("-._/", r) }) {
		switch word {
		case "router", "gateway", "proxy", "client", "sdk", "bench", "benchmark":
			return true
		}
	}
	return false
}

// imageName is an image's name without registry and digest, and its tag.
func imageName(image string) (name, tag string) {
	name, _, _ = strings.Cut(image, "@")
	if colon := strings.LastIndexByte(name, ':'); colon > strings.LastIndexByte(name, '/') {
		name, tag = name[:colon], name[colon+1:]
	}
	host, rest, found := strings.Cut(name, "/")
	if found && (strings.ContainsAny(host, ".:") || host == "localhost") {
		name = rest
	}
	return name, tag
}

// kindOfCommand returns the name of the first kind that the arguments are a command line of, empty for none. A shell's command
// line in one argument is looked through as well.
func kindOfCommand(kinds []Kind, args []string) string {
	if len(args) == 0 {
		return ""
	}
	words := strings.Fields(strings.Join(args, " "))
	for i, word := range words {
		// What is given to a flag or a variable, or is a URL, is no program: "--model=/models/tritonserver".
		if !strings.ContainsAny(word, "=:") {
			words[i] = path.Base(word)
		}
	}
	line := " " + strings.Join(words, " ") + " "
	for i := range kinds {
		for _, command := range kinds[i].Commands {
			if strings.Contains(line, " "+command+" ") {
				return kinds[i].Name
			}
		}
	}
	return ""
}
