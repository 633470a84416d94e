package engine

import (
	"bytes"
	"fmt"
	"slices"
)

// label of a series, its value unescaped.
type label struct{ name, value string }

// series is one wanted series as the page spells it.
type series struct {
	// text is everything before the value, and the key of the series.
	text string
	// name is the index that the wanted sample name was given.
	name   int32
	labels []label
	// born is the number of the page that first had it; together with the id it tells a series from one that had the same
	// id before it.
	born uint32
}

// maxSeries bounds what one foreign page can make a scanner remember.
const maxSeries = 1 << 16

// keepPages is how many pages a series that vanished is remembered for, so that a counter that comes back goes on.
const keepPages = 512

// scanner reads the text format 0.0.4, and of it only the samples whose names are wanted. It keeps each series' text from
// page to page and foresees the next one by its position, so that a page of known series costs one comparison and one
// number a line and no allocation. It is pure: it does no I/O and asks no clock.
type scanner struct {
	want  map[string]int32
	limit int

	ids    map[string]int32
	series []series
	// values and seen are by id. A value counts only where seen is the number of the newest page.
	values []float64
	seen   []uint32
	free   []int32

	// order and ordered are the text and the id of each wanted line of the last page, by position.
	order   []string
	ordered []int32

	page uint32
}

// newScanner returns a scanner that keeps the samples of the given names.
func newScanner(want map[string]int32) *scanner {
	return &scanner{want: want, limit: maxSeries, ids: make(map[string]int32)}
}

// cursor is where a scan is on its page.
type cursor struct {
	// position counts the wanted lines.
	position int
	// unwanted is the last name that was not wanted, with the byte that ended it: that byte keeps "foo" from swallowing
	// "foo_total".
	unwanted []byte
	// wanted is the last name that was, and name its index.
	wanted []byte
	name   int32
}

// scan reads a page. An error means that the page is not to be used at all: it is cut in half, or its syntax is broken.
func (s *scanner) scan(page []byte) error {
	s.page++
	if s.page%keepPages == 0 {
		s.forget(keepPages)
	}
	var c cursor
	for line := 1; len(page) > 0; line++ {
		foreseen := s.foresees(&c, page)
		if foreseen > 0 {
			if v, used := wholeLine(page[foreseen:]); used > 0 {
				s.keep(&c, v)
				page = page[foreseen+used:]
				continue
			}
		}
		end := bytes.IndexByte(page, '\n')
		if end < 0 {
			return fmt.Errorf("scan line %d: the page ends in the middle of a line", line)
		}
		text := page[:end]
		page = page[end+1:]
		switch {
		case foreseen > 0:
			v, ok := number(text[foreseen:])
			if !ok {
				return fmt.Errorf("scan line %d: bad value %.60q", line, text[foreseen:])
			}
			s.keep(&c, v)
		case len(text) == 0, text[0] == '#', len(c.unwanted) > 0 && bytes.HasPrefix(text, c.unwanted):
		default:
			if err := s.line(&c, text); err != nil {
				return fmt.Errorf("scan line %d: %w", line, err)
			}
		}
	}
	s.order, s.ordered = s.order[:c.position], s.ordered[:c.position]
	return nil
}

// foresees returns the index of the value where the page goes on with the series that the last page had here, else 0.
func (s *scanner) foresees(c *cursor, page []byte) int {
	if c.position >= len(s.order) {
		return 0
	}
	text := s.order[c.position]
	if n := len(text); n > 0 && n < len(page) && page[n] == ' ' && string(page[:n]) == text {
		return n + 1
	}
	return 0
}

// keep the value of the series that was foreseen.
func (s *scanner) keep(c *cursor, v float64) {
	id := s.ordered[c.position]
	s.values[id], s.seen[id] = v, s.page
	c.position++
}

// line reads a line that was not foreseen.
func (s *scanner) line(c *cursor, text []byte) error {
	text = trimBlank(text)
	if len(text) == 0 || text[0] == '#' || text[0] == '{' {
		return nil // A name in quotes, inside the braces, is no engine's.
	}
	n := nameEnd(text)
	if n == 0 || n == len(text) {
		return fmt.Errorf("%.60q is no sample", text)
	}
	if !bytes.Equal(c.wanted, text[:n]) {
		index, ok := s.want[string(text[:n])]
		if !ok {
			c.unwanted = text[:n+1]
			return nil
		}
		c.wanted, c.name = text[:n], index
	}
	n, err := seriesEnd(text, n)
	if err != nil {
		return err
	}
	v, ok := number(text[n:])
	if !ok {
		return fmt.Errorf("bad value %.60q", text[n:])
	}
	id, err := s.id(text[:n], c.name)
	if err != nil {
		return err
	}
	if c.position < len(s.order) {
		s.order[c.position], s.ordered[c.position] = s.series[id].text, id
	} else {
		s.order, s.ordered = append(s.order, s.series[id].text), append(s.ordered, id)
	}
	s.keep(c, v)
	return nil
}

// id of the series, made when it is new.
func (s *scanner) id(text []byte, name int32) (int32, error) {
	if id, ok := s.ids[string(text)]; ok {
		return id, nil
	}
	labels, err := parseLabels(text)
	if err != nil {
		return 0, err
	}
	if len(s.ids) >= s.limit {
		s.forget(1)
	}
	if len(s.ids) >= s.limit {
		return 0, &fault{kind: FaultTooBig, err: fmt.Errorf("more than %d series", s.limit)}
	}
	key := string(text)
	fresh := series{text: key, name: name, labels: labels, born: s.page}
	if n := len(s.free); n > 0 {
		id := s.free[n-1]
		s.free = s.free[:n-1]
		s.series[id], s.ids[key] = fresh, id
		return id, nil
	}
	id := int32(len(s.series))
	s.series, s.values, s.seen = append(s.series, fresh), append(s.values, 0), append(s.seen, 0)
	s.ids[key] = id
	return id, nil
}

// forget the series that the last pages did not have, and free their ids.
func (s *scanner) forget(pages uint32) {
	for id := range s.series {
		if s.series[id].text == "" || s.page-s.seen[id] <= pages {
			continue
		}
		delete(s.ids, s.series[id].text)
		s.series[id] = series{}
		s.free = append(s.free, int32(id))
	}
	for i, id := range s.ordered {
		if s.series[id].text != s.order[i] {
			s.order[i] = ""
		}
	}
}

// has says whether the newest page had the series.
func (s *scanner) has(id int) bool { return s.seen[id] == s.page }

// repeated says whether the newest page had the series on several lines, of which the last counts.
func (s *scanner) repeated(id int) bool {
	first := slices.Index(s.ordered, int32(id))
	return first >= 0 && slices.Contains(s.ordered[first+1:], int32(id))
}
