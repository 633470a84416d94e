package node

// Levels is how many bounds a distribution has: 0, and every tenth up to 1.
const Levels = 11

// LevelBound is the upper bound of a level of utilisation.
func LevelBound(level int) float64 { return float64(level) / 10 }

// Distribution counts samples of utilisation by how high they are: by the first bound that is not below them. It may be compared.
type Distribution struct {
	Counts [Levels]uint64
	Sum    float64
}

// Add a sample, 0–1.
func (d *Distribution) Add(utilization float64) {
	level := 0
	for level < Levels-1 && LevelBound(level) < utilization {
		level++
	}
	d.Counts[level]++
	d.Sum += utilization
}

// Join other samples to these.
func (d *Distribution) Join(other *Distribution) {
	for i, n := range other.Counts {
		d.Counts[i] += n
	}
	d.Sum += other.Sum
}
