package window

// ring is a queue that reuses its array: it grows while its window fills and allocates nothing after that.
type ring[T any] struct {
	items []T // as many as a power of two
	first int
	count int
}

func (r *ring[T]) len() int { return r.count }

// at returns the i-th item, the oldest first.
func (r *ring[T]) at(i int) *T { return &r.items[(r.first+i)&(len(r.items)-1)] }

func (r *ring[T]) push(item T) {
	if r.count == len(r.items) {
		r.grow()
	}
	*r.at(r.count) = item
	r.count++
}

// drop forgets the oldest item.
func (r *ring[T]) drop() {
	r.first = (r.first + 1) & (len(r.items) - 1)
	r.count--
}

// pop forgets the newest item.
func (r *ring[T]) pop() { r.count-- }

func (r *ring[T]) grow() {
	items := make([]T, max(8, 2*len(r.items)))
	for i := range r.count {
		items[i] = *r.at(i)
	}
	r.items, r.first = items, 0
}
