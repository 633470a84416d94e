package engine

// The answers of an HTTP server that say something of requests: see Answered5xx and Answered503.
const (
	answered5xx = iota + 1
	answered503
)

// answers are counts of what the HTTP server answered, which carry no model.
type answers struct {
	counts [3]float64
	// told says which of them the pages tell at all, and page which page was the last to tell any.
	told [3]bool
	page uint32
}

// answerOf returns which answer an outcome is, 0 for none.
func answerOf(outcome string) int {
	switch outcome {
	case Answered5xx:
		return answered5xx
	case Answered503:
		return answered503
	}
	return 0
}

// tells takes note that pages have the series of o, so that none is an explicit 0.
func (a *answers) tells(o *Outcomes) {
	a.told[answerOf(o.Otherwise)] = true
	for _, as := range o.By {
		a.told[answerOf(as)] = true
	}
}
