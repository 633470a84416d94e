package engine

import (
	"hash/maphash"
	"slices"
	"strconv"
)

// kin finds the newest series of a counter by its name and its labels but the noisy ones.
type kin struct {
	ids  map[uint64]relative
	seed maphash.Seed
}

// relative is a series: its id, and the page it was born on.
type relative struct {
	id   int32
	born uint32
}

func newKin() kin { return kin{ids: make(map[uint64]relative), seed: maphash.MakeSeed()} }

// key of a series without its noisy labels.
func (k *kin) key(text *series, noise []string) uint64 {
	labels := text.without(func(name string) bool { return slices.Contains(noise, name) })
	return maphash.String(k.seed, strconv.Itoa(int(text.name))+"\x00"+labels)
}

// forget the series that are no more.
func (k *kin) forget(cells []cell) {
	for key, r := range k.ids {
		if cells[r.id].born != r.born {
			delete(k.ids, key)
		}
	}
}
