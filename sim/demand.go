package sim

import (
	"math/rand/v2"
	"time"
)

// request is what a client sends.
type request struct {
	// number counts the requests of one client from 1.
	number int
	model  string
	// prompt and maxTokens are tokens, of a vLLM request.
	prompt, maxTokens int
	// service and key are the compute time and the content of a Triton request, and batch its first dimension.
	service time.Duration
	key     string
	batch   int
	// patience is when the client gives up.
	patience time.Duration
}

// demand is the sequence of requests of one client: arrivals at random, at a rate that breathes (quiet, normal, a burst,
// nothing at all). It depends on the seed alone, never on how fast requests are answered.
type demand struct {
	rng  *rand.Rand
	rate float64 // requests a second in a normal phase
	draw func(r *rand.Rand, number int) request

	at, until time.Duration // since the client began
	factor    float64
	number    int
}

func newDemand(rng *rand.Rand, rate float64, draw func(*rand.Rand, int) request) *demand {
	return &demand{rng: rng, rate: rate, draw: draw, factor: 1, until: between(rng, 10*time.Second, 30*time.Second)}
}

// next returns the next request, and when it is sent, counted from the beginning.
func (d *demand) next() (time.Duration, request) {
	for {
		if d.factor > 0 {
			gap := time.Duration(d.rng.ExpFloat64() / (d.rate * d.factor) * float64(time.Second))
			if d.at+gap < d.until {
				d.at += gap
				d.number++
				return d.at, d.draw(d.rng, d.number)
			}
		}
		// The gap passes the end of the phase. Arrivals have no memory: draw again from there.
		d.at = d.until
		d.phase()
	}
}

// phase begins a new phase.
func (d *demand) phase() {
	switch roll := d.rng.IntN(100); {
	case roll < 12:
		d.factor, d.until = 0, d.at+between(d.rng, 8*time.Second, 25*time.Second)
	case roll < 40:
		d.factor, d.until = 0.4, d.at+between(d.rng, 10*time.Second, 30*time.Second)
	case roll < 78:
		d.factor, d.until = 1, d.at+between(d.rng, 15*time.Second, 40*time.Second)
	default:
		d.factor, d.until = 3, d.at+between(d.rng, 5*time.Second, 15*time.Second)
	}
}

// chat makes requests for a vLLM server: most prompts are short, some are long, and a few clients are impatient.
func chat(model string, adapters []string) func(*rand.Rand, int) request {
	return func(r *rand.Rand, number int) request {
		q := request{number: number, model: model, patience: patience(r)}
		if len(adapters) > 0 && r.IntN(4) == 0 {
			q.model = adapters[r.IntN(len(adapters))]
		}
		q.prompt = sharedPrompt + 20 + r.IntN(200)
		if r.IntN(6) == 0 {
			q.prompt += 400 + r.IntN(1200)
		}
		q.maxTokens = 32 + r.IntN(160)
		return q
	}
}

// infer makes requests for one model of a Triton server.
func infer(model string, service time.Duration, cached bool) func(*rand.Rand, int) request {
	return func(r *rand.Rand, number int) request {
		q := request{number: number, model: model, patience: patience(r), batch: 1}
		q.service = between(r, service*6/10, service*14/10).Truncate(time.Microsecond)
		if r.IntN(8) == 0 {
			q.batch = 1 + r.IntN(4)
		}
		if cached && r.IntN(3) == 0 {
			q.key = suffix(r, 2)
		}
		return q
	}
}

func patience(r *rand.Rand) time.Duration {
	if r.IntN(50) == 0 {
		return between(r, 300*time.Millisecond, 1500*time.Millisecond)
	}
	return 30 * time.Second
}
