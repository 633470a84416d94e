package window

// ring is a queue that reuses its array: it grows while its window fills and allocates nothing after that.
type ring[T any] struct {
	items []T
	first int
	count int
}

func (r *ring[T]) len() int { return r.count }

// at returns the i-th item, the oldest first.
func (r *ring[T]) at(i int) *T {
	i += r.first
	if i >= len(r.items) {
		i -= len(r.items)
	}
	return &r.items[i]
}

func (r *ring[T]) push(item T) {
	if r.count == len(r.items) {
		r.grow()
	}
	r.count++
	*r.at(r.count - 1) = item
}

// drop forgets the oldest item.
func (r *ring[T]) drop() {
	r.first++
	if r.first == len(r.items) {
		r.first = 0
	}
	r.count--
}

func (r *ring[T]) grow() {
	items := make([]T, max(8, 2*len(r.items)))
	for i := range r.count {
		items[i] = *r.at(i)
	}
	r.items, r.first = items, 0
}
