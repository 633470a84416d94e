package engine

import "bytes"

// sighting is what of a mark was seen on a page.
type sighting struct{ itself, with bool }

// detect the dialect of a page by its marks, nil where it has none.
func detect(page []byte, plans []*plan) *plan {
	var best *plan
	seen := make([][]sighting, len(plans))
	for i, p := range plans {
		seen[i] = make([]sighting, len(p.dialect.Marks))
	}
	for len(page) > 0 {
		end := bytes.IndexByte(page, '\n')
		if end < 0 {
			end = len(page) - 1
		}
		line := page[:end]
		page = page[end+1:]
		if len(line) == 0 || line[0] == '#' {
			continue
		}
		for i, p := range plans {
			if (best == nil || p.dialect.Precedence > best.dialect.Precedence) && p.marked(line, seen[i]) {
				best = p
			}
		}
	}
	return best
}

// marked takes note of what of the marks the line has, and says whether all of one has been seen.
func (p *plan) marked(line []byte, seen []sighting) bool {
	for i, m := range p.dialect.Marks {
		seen[i].itself = seen[i].itself || begins(line, m.Prefix) && hasLabel(line, m.Label)
		seen[i].with = seen[i].with || m.With == "" || begins(line, m.With)
		if seen[i].itself && seen[i].with {
			return true
		}
	}
	return false
}

func begins(line []byte, prefix string) bool {
	return len(line) >= len(prefix) && string(line[:len(prefix)]) == prefix
}

// hasLabel says whether a line has the label; every line has the one without a name.
func hasLabel(line []byte, label string) bool {
	if label == "" {
		return true
	}
	for rest := line; ; {
		i := bytes.Index(rest, []byte(label))
		if i < 1 {
			return false
		}
		after := rest[i+len(label):]
		if (rest[i-1] == '{' || rest[i-1] == ',' || rest[i-1] == ' ') && bytes.HasPrefix(after, []byte(`="`)) {
			return true
		}
		rest = after
	}
}
