package node

// Opt is a value that its source may be unable to tell. What is not Known is not published: absent is not zero.
type Opt[T any] struct {
	Value T
	Known bool
}

// Some returns a known value.
func Some[T any](v T) Opt[T] { return Opt[T]{Value: v, Known: true} }
