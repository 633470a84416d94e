package node

import (
	"path"
	"strings"
)

// Kind is how a container tells which model server it runs, before its page can be read.
type Kind struct {
	// Name of the server, "vllm".
	Name string
	// Images are beginnings of the container image's path, or of its path from a later element on, without registry and tag:
	// "tritonserver" fits nvcr.io/nvidia/tritonserver:26.10-py3, and "nim/" all of nvcr.io/nim.
	Images []string
	// Commands are words in a row on the container's command line, "vllm serve"; of a word with a path the last element
	// counts.
	Commands []string
}

// KindOfImage returns the name of the first kind that the image is of, empty for none.
func KindOfImage(kinds []Kind, image string) string {
	elements := "/" + imagePath(image)
	for i := range kinds {
		for _, part := range kinds[i].Images {
			if begins(elements, part) {
				return kinds[i].Name
			}
		}
	}
	return ""
}

// begins says whether an element of the path begins with part.
func begins(elements, part string) bool {
	for rest := elements; ; {
		at := strings.Index(rest, part)
		if at < 0 {
			return false
		}
		if at > 0 && rest[at-1] == '/' {
			return true
		}
		rest = rest[at+1:]
	}
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

// KindOfCommand returns the name of the first kind that the arguments are a command line of, empty for none. A shell's command
// line in one argument is looked through as well.
func KindOfCommand(kinds []Kind, args []string) string {
	if len(args) == 0 {
		return ""
	}
	words := strings.Fields(strings.Join(args, " "))
	for i := range words {
		words[i] = path.Base(words[i])
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
