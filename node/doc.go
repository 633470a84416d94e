// Package node holds the words that every other package speaks: devices and their readings, pods and their claims,
// model servers, accounts of use, and the snapshot that joins them. It has no goroutine and imports nothing but the
// standard library.
package node
