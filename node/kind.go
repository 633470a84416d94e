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
	// Images are beginnings of the container image's path, or of its path from a later element on, without registry and tag:
	// "tritonserver" fits nvcr.io/nvidia/tritonserver:26.10-py3, and "nim/" all of nvcr.io/nim.
	Images []string
	// Commands are words in a row on the container's command line, "vllm serve"; of a word with a path the last element counts.
	Commands []string
}

// InImage says whether the image is one of the kind.
func (k *Kind) InImage(image string) bool {
	elements := "/" + imagePath(image)
	return slices.ContainsFunc(k.Images, func(part string) bool { return strings.Contains(elements, "/"+part) })
}

// imagePath is an image's name without registry, tag and digest.
func imagePath(image string) string {
	name, _, _ := strings.Cut(image, "@")
	if colon := strings.LastIndexByte(name, ':'); colon > strings.LastIndexByte(name, '/') {
		name = name[:colon]
	}
	host, rest, found := strings.Cut(name, "/")
	if found && (strings.ContainsAny(host, ".:") || host == "localhost") {
		return rest
	}
	return name
}

// InCommand says whether the arguments are a command line of the kind. A shell's command line in one argument is looked
// through as well.
func (k *Kind) InCommand(args []string) bool {
	if len(k.Commands) == 0 || len(args) == 0 {
		return false
	}
	words := strings.Fields(strings.Join(args, " "))
	return slices.ContainsFunc(k.Commands, func(command string) bool {
		want := strings.Fields(command)
		for i := 0; len(want) > 0 && i+len(want) <= len(words); i++ {
			if path.Base(words[i]) == want[0] && slices.Equal(words[i+1:i+len(want)], want[1:]) {
				return true
			}
		}
		return false
	})
}
