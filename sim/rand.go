package sim

import (
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"time"
)

// stream returns the random numbers that belong to a name. Streams of different names do not disturb each other, so the
// order in which goroutines draw does not matter.
func stream(seed int64, name string) *rand.Rand {
	h := fnv.New64a()
	_, _ = h.Write([]byte(name))
	return rand.New(rand.NewPCG(uint64(seed), h.Sum64()))
}

// uuid returns a random UUID of version 4 in its usual form.
func uuid(r *rand.Rand) string {
	hi, lo := r.Uint64(), r.Uint64()
	hi = hi&^0xf000 | 0x4000
	lo = lo&^(0xc<<60) | 0x8<<60
	return fmt.Sprintf("%08x-%04x-%04x-%04x-%012x", hi>>32, hi>>16&0xffff, hi&0xffff, lo>>48, lo&0xffffffffffff)
}

// suffix returns n characters as Kubernetes appends them to generated names.
func suffix(r *rand.Rand, n int) string {
	const safe = "bcdfghjklmnpqrstvwxz2456789"
	out := make([]byte, n)
	for i := range out {
		out[i] = safe[r.IntN(len(safe))]
	}
	return string(out)
}

// between returns a duration in [lo, hi).
func between(r *rand.Rand, lo, hi time.Duration) time.Duration {
	return lo + time.Duration(r.Int64N(int64(hi-lo)))
}

// mix turns two numbers into one that looks random (the finalizer of SplitMix64).
func mix(a, b uint64) uint64 {
	z := a + b*0x9e3779b97f4a7c15
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}
