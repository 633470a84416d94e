package engine

// Short ways to write the candidates of a dialect. Series are written as selectors: name, or name{label="value"}.

// GaugeOf the series, those that are present summed.
func GaugeOf(series ...string) Candidate { return Candidate{Kind: Gauge, Of: selectors(series)} }

// GreatestOf the series of a name.
func GreatestOf(series string) Candidate {
	return Candidate{Kind: Gauge, Aggregation: Greatest, Of: selectors([]string{series})}
}

// CounterOf the series, those that are present summed.
func CounterOf(series ...string) Candidate { return Candidate{Kind: Counter, Of: selectors(series)} }

// HistogramOf the family, which may be a summary as well.
func HistogramOf(family string) Candidate {
	return Candidate{Kind: Histogram, Of: selectors([]string{family})}
}

// QuotientOf seconds over a count.
func QuotientOf(seconds, count string) Candidate {
	return Candidate{Kind: Quotient, Of: selectors([]string{seconds, count})}
}

// RatioOf a part to the whole.
func RatioOf(part, whole string) Candidate {
	return Candidate{Kind: Ratio, Of: selectors([]string{part, whole})}
}

// LittleOf the seconds spent, less those spent waiting.
func LittleOf(spent, waited string) Candidate {
	return Candidate{Kind: Little, Of: selectors([]string{spent, waited})}
}

// OutcomeOf the counters of requests, all of them together.
func OutcomeOf(outcomes ...Outcomes) Candidate {
	return Candidate{Kind: Outcome, Outcomes: outcomes}
}

// In another unit than the base unit, of which the page's is the scale-th part.
func (c Candidate) In(scale float64) Candidate {
	c.Scale = scale
	return c
}

// By the versions of the server that have it.
func (c Candidate) By(versions string) Candidate {
	c.Versions = versions
	return c
}

// Select reads a selector. One that is none becomes a name that no page has; Validate tells of it.
func Select(text string) Series {
	var s Series
	if err := s.UnmarshalText([]byte(text)); err != nil {
		return Series{Name: text}
	}
	return s
}

func selectors(texts []string) []Series {
	var series []Series
	for _, t := range texts {
		series = append(series, Select(t))
	}
	return series
}
