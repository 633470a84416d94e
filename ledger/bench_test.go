package ledger

import (
	"fmt"
	"testing"
	"time"

	"gpusignal/node"
)

// full returns a ledger of 8 devices, each claimed by the given number of pods, with full windows.
func full(pods int) *Ledger {
	l := New(Config{Window: 15 * time.Second, Keep: 5 * time.Minute})
	var claims []node.Claim
	for d := range 8 {
		for p := range pods {
			claims = append(claims, claim(container(fmt.Sprint("u", d, p), fmt.Sprint("p", d, "-", p), "main"), device8(d), 1))
		}
	}
	l.SetClaims(second(0), claims)
	for n := 1; n <= 20; n++ {
		for d := range 8 {
			l.Book(use(device8(d), n))
		}
	}
	return l
}

func device8(n int) node.DeviceID { return node.DeviceID(fmt.Sprint("GPU-", n)) }

func BenchmarkBook(b *testing.B) {
	for _, pods := range []int{0, 1, 10} {
		b.Run(fmt.Sprintf("pods=%d", pods), func(b *testing.B) {
			l := full(pods)
			u := use(gpu0, 20)
			b.ReportAllocs()
			for b.Loop() {
				u.From, u.To = u.To, u.To.Add(time.Second)
				l.Book(u)
			}
		})
	}
}

func BenchmarkUse(b *testing.B) {
	for _, pods := range []int{1, 10} {
		b.Run(fmt.Sprintf("pods=%d", 8*pods), func(b *testing.B) {
			l := full(pods)
			b.ReportAllocs()
			for b.Loop() {
				l.Use(second(20))
			}
		})
	}
}

func BenchmarkSetClaims(b *testing.B) {
	l := full(10)
	var claims []node.Claim
	for _, a := range l.Accounts(second(20)) {
		claims = append(claims, claim(a.Container, a.Device, 1))
	}
	b.ReportAllocs()
	for b.Loop() {
		l.SetClaims(second(20), claims)
	}
}
