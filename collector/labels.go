package collector

import (
	"maps"
	"slices"
	"strings"

	dto "github.com/prometheus/client_model/go"
)

// maxLabels is the most labels that a series has.
const maxLabels = 15

// labelNames are the names of one label set, in the order in which their values are given.
type labelNames struct {
	names []string
	// sorted are the places of names, by name: the order of a series' labels.
	sorted []int
}

func newLabelNames(names ...string) *labelNames {
	l := &labelNames{names: names}
	for i := range names {
		l.sorted = append(l.sorted, i)
	}
	slices.SortFunc(l.sorted, func(a, b int) int { return strings.Compare(names[a], names[b]) })
	return l
}

// last is the name given last: the one that a child has more than its parent.
func (l *labelNames) last() *string { return &l.names[len(l.names)-1] }

// with returns the names and more after them.
func (l *labelNames) with(more ...string) *labelNames {
	return newLabelNames(slices.Concat(l.names, more)...)
}

// values are the values of one label set, in the order of its names.
type values [maxLabels]string

// labelCache keeps the label pairs of every label set that the last scrape used.
type labelCache struct {
	sets   map[labelKey]*labelSet
	scrape uint64
	// kept is how many sets there are, children included, and used how many of them this scrape has used.
	kept, used int
}

type labelKey struct {
	names  *labelNames
	values values
}

// labelSet is the label pairs of a series, and the sets that have one pair more. There are few of these, so that looking
// through them costs less than a map.
type labelSet struct {
	names    *labelNames
	pairs    []*dto.LabelPair
	value    string // the last one, of a child
	scrape   uint64
	children []*labelSet
}

// begin starts a scrape.
func (c *labelCache) begin() {
	if c.sets == nil {
		c.sets = make(map[labelKey]*labelSet)
	}
	c.scrape++
	c.used = 0
}

// of returns a label set, its pairs sorted by name. Values that are no UTF-8 are made so.
func (c *labelCache) of(names *labelNames, v values) *labelSet {
	key := labelKey{names, v}
	set := c.sets[key]
	if set == nil {
		set = &labelSet{names: names, pairs: pairsOf(names, v)}
		c.sets[key] = set
		c.kept++
	}
	return c.use(set)
}

// child returns the set that has one pair more than another, whose name is the last of names.
func (c *labelCache) child(names *labelNames, parent *labelSet, value string) *labelSet {
	for _, set := range parent.children {
		if set.names == names && set.value == value {
			return c.use(set)
		}
	}
	set := &labelSet{names: names, pairs: childOf(names, parent.pairs, value), value: value}
	parent.children = append(parent.children, set)
	c.kept++
	return c.use(set)
}

func (c *labelCache) use(set *labelSet) *labelSet {
	if set.scrape != c.scrape {
		set.scrape = c.scrape
		c.used++
	}
	return set
}

// sweep forgets what the scrape did not use.
func (c *labelCache) sweep() {
	if c.kept == c.used {
		return
	}
	unused := func(set *labelSet) bool { return set.scrape != c.scrape }
	maps.DeleteFunc(c.sets, func(_ labelKey, set *labelSet) bool { return unused(set) })
	for _, set := range c.sets {
		set.children = slices.DeleteFunc(set.children, unused)
	}
	c.kept = c.used
}

func childOf(names *labelNames, parent []*dto.LabelPair, value string) []*dto.LabelPair {
	value = strings.ToValidUTF8(value, "\uFFFD")
	at := 0
	for at < len(parent) && parent[at].GetName() < *names.last() {
		at++
	}
	return slices.Concat(parent[:at], []*dto.LabelPair{{Name: names.last(), Value: &value}}, parent[at:])
}

func pairsOf(names *labelNames, v values) []*dto.LabelPair {
	pairs := make([]*dto.LabelPair, 0, len(names.names))
	for _, i := range names.sorted {
		value := strings.ToValidUTF8(v[i], "\uFFFD")
		pairs = append(pairs, &dto.LabelPair{Name: &names.names[i], Value: &value})
	}
	return pairs
}
