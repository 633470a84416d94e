package collector

// labelled is a family that has a series a row for each of a few values of one label.
type labelled[R any] struct {
	desc   desc
	values []string
	value  func(row *R, i int) (float64, bool)
}

// each makes a family of one series a row for each of the things given, labelled by what the thing is called.
func each[R, L any](d desc, things []L, label func(L) string, value func(*R, L) (float64, bool)) labelled[R] {
	f := labelled[R]{desc: d, value: func(row *R, i int) (float64, bool) { return value(row, things[i]) }}
	for _, thing := range things {
		f.values = append(f.values, label(thing))
	}
	return f
}

// writeEach writes each family over all rows.
func writeEach[R any](p *page, families []labelled[R], rows []R, labels func(*R) *labelSet) {
	for i := range families {
		f := &families[i]
		p.begin(&f.desc)
		for j := range rows {
			for k, value := range f.values {
				if v, ok := f.value(&rows[j], k); ok {
					p.put(p.labels.child(f.desc.labels, labels(&rows[j]), value), v)
				}
			}
		}
		p.end()
	}
}

// describeEach appends the descriptions of families.
func describeEach[R any](to []*desc, families []labelled[R]) []*desc {
	for i := range families {
		to = append(to, &families[i].desc)
	}
	return to
}
