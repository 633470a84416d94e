package node

// Part is a part of a reading that falls silent by itself, and has an age of its own.
type Part uint8

// The parts, each by what asks for it.
const (
	PartMemory Part = iota
	PartUtilization
	PartRing
	PartCounters
	PartActivity
	PartStatus
	PartProcesses
	Parts int = iota
)

// Label of a part in series.
func (p Part) Label() string {
	return [Parts]string{"memory", "utilization", "ring", "counters", "activity", "status", "processes"}[p]
}
