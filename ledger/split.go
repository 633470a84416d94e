package ledger

import (
	"math/bits"

	"gpusignal/node"
)

// amounts are what is booked: busy and observed nanoseconds, and microjoules.
type amounts [3]int64

const (
	busy = iota
	observed
	energy
)

// amountsOf returns what an interval holds. Counters never go back, so less than nothing is nothing.
func amountsOf(use node.Use) amounts {
	return amounts{max(0, int64(use.Busy)), max(0, int64(use.Observed)), max(0, use.Energy)}
}

func (n *amounts) add(more amounts) {
	for k := range n {
		n[k] += more[k]
	}
}

// split shares amounts out by weight, in integers whose sum is the amount, exactly. What rounding down leaves over goes,
// one by one, to the account that rounding owes most; the debt is carried from one interval to the next, so in the long
// run each gets its share to within a few units.
func split(n amounts, accounts []*account) {
	var weights int64
	for _, a := range accounts {
		weights += int64(a.weight)
	}
	for k, amount := range n {
		left := amount
		for _, a := range accounts {
			whole, rest := share(amount, int64(a.weight), weights)
			a.amounts[k] += whole
			a.carry[k] += rest
			left -= whole
		}
		for ; left > 0; left-- {
			a := mostOwed(accounts, k)
			a.amounts[k]++
			a.carry[k] -= weights
		}
	}
}

// share returns amount × weight ÷ weights and the rest of the division, in 128 bits.
func share(amount, weight, weights int64) (whole, rest int64) {
	hi, lo := bits.Mul64(uint64(amount), uint64(weight))
	q, r := bits.Div64(hi, lo, uint64(weights))
	return int64(q), int64(r)
}

func mostOwed(accounts []*account, k int) *account {
	most := accounts[0]
	for _, a := range accounts[1:] {
		if a.carry[k] > most.carry[k] {
			most = a
		}
	}
	return most
}
