package kubelet

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"gpusignal/node"
)

// fakeLister answers with what its function says.
type fakeLister struct {
	list func(ctx context.Context) ([]allocation, error)
}

func (f fakeLister) List(ctx context.Context) (listing, error) {
	all, err := f.list(ctx)
	return listing{allocations: all, pods: len(all)}, err
}

func (f fakeLister) Explain(err error) fault { return fault{"error", err.Error()} }

// TestPollingByTheClock runs the loop on a fake clock: lists each second, an empty list believed after a minute, changes
// told when they happen and never else.
func TestPollingByTheClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		type change struct {
			after  time.Duration
			claims string
		}
		var told []change
		one := allocation{namespace: "default", pod: "a", container: "main", resource: "nvidia.com/gpu", id: gpu0}
		asked := 0
		lister := fakeLister{func(context.Context) ([]allocation, error) {
			asked++
			switch now := time.Since(begin); {
			case now < 10*time.Second:
				return []allocation{one}, nil
			case now < 12*time.Second:
				return nil, errors.New("down")
			}
			return nil, nil
		}}
		book := newPodBook()
		k := newClaimKeeper(Config{
			Interval: time.Second, Devices: twoGPUs, Logger: (&logBook{}).logger(),
			OnClaims: func(at time.Time, claims []node.Claim) { told = append(told, change{at.Sub(begin), render(claims)}) },
		}, book.view.Load)
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Second)
		defer cancel()
		k.run(ctx, lister)
		want := []change{{0, "a/main GPU-0+"}, {72 * time.Second, ""}}
		if !slices.Equal(told, want) {
			t.Errorf("told %v, want %v", told, want)
		}
		if asked < 99 || asked > 101 {
			t.Errorf("asked %d times in 100 s", asked)
		}
		if h := k.health(); !h.Up || h.Failures != 2 {
			t.Errorf("health %+v", h)
		}
	})
}

// TestListDeadline checks that a kubelet that never answers costs its deadline and no more.
func TestListDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lister := fakeLister{func(ctx context.Context) ([]allocation, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}}
		k := newClaimKeeper(Config{
			Interval: time.Second, Devices: twoGPUs, Logger: (&logBook{}).logger(), OnClaims: func(time.Time, []node.Claim) {},
		}, newPodBook().view.Load)
		ctx, cancel := context.WithTimeout(t.Context(), 11500*time.Millisecond)
		defer cancel()
		k.run(ctx, lister)
		if h := k.health(); h.Up || h.Failures != 2 || h.Took != listDeadline {
			t.Errorf("health %+v, want two failures of %v each", h, listDeadline)
		}
	})
}

// TestPodsAge checks that pods live a minute without a source, then only their names, and that a workload once known
// stays.
func TestPodsAge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := New(Config{PodsMode: "kubelet", Devices: twoGPUs, Logger: (&logBook{}).logger()})
		known := pod("a", "1", "Running")
		known.Workload = node.Workload{Kind: "Deployment", Name: "d"}
		k.pods.book.put(fromKubelet, map[string]node.Pod{"1": known})
		k.claims.poll(t.Context(), fakeLister{func(context.Context) ([]allocation, error) {
			return []allocation{{namespace: "default", pod: "a", container: "main", resource: "nvidia.com/gpu", id: gpu0}}, nil
		}})
		orphaned := pod("a", "1", "Running")
		k.pods.book.put(fromKubelet, map[string]node.Pod{"1": orphaned})
		if got := k.Pods(time.Now())[0]; got.Workload != known.Workload {
			t.Errorf("workload became %v", got.Workload)
		}
		k.pods.book.lose(fromKubelet)
		lost := time.Now()
		if got := k.Pods(lost.Add(grace))[0]; got.Phase != "Running" {
			t.Errorf("after a minute the pod is %+v, want it whole", got)
		}
		got := k.Pods(lost.Add(grace + time.Second))
		if len(got) != 1 || got[0].Phase != "" || got[0].ID != known.ID || got[0].Workload != known.Workload {
			t.Errorf("after more than a minute pods are %+v, want the name and its workload alone", got)
		}
	})
}

// TestBurstOfPodEvents checks that a thousand pod events do not flood the kubelet, whose limit is 100 lists a second for all
// its clients: it is asked soon after the first, and then four times a second at most, for as long as they come.
func TestBurstOfPodEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked []time.Duration
		begin := time.Now()
		lister := fakeLister{func(context.Context) ([]allocation, error) {
			asked = append(asked, time.Since(begin))
			return nil, nil
		}}
		book := newPodBook()
		k := newClaimKeeper(Config{
			Interval: time.Hour, Devices: twoGPUs, Logger: (&logBook{}).logger(), OnClaims: func(time.Time, []node.Claim) {},
		}, book.view.Load)
		book.changed = k.podsChanged
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		go func() {
			time.Sleep(10 * time.Second)
			for range 1000 {
				book.put(fromKubelet, map[string]node.Pod{"1": pod("a", "1", "Running")})
				time.Sleep(2 * time.Millisecond)
			}
		}()
		k.run(ctx, lister)
		if len(asked) < 3 || asked[1] != 10*time.Second {
			t.Fatalf("asked at %v, want at once after the first event, 10 s after the start", asked)
		}
		for i := 2; i < len(asked); i++ {
			if gap := asked[i] - asked[i-1]; gap < listGap {
				t.Errorf("asked %v after the time before, want %v between", gap, listGap)
			}
		}
		if most := 2 + int(2*time.Second/listGap); len(asked) > most+1 {
			t.Errorf("1,000 events in 2 s brought %d lists, want at most %d", len(asked)-1, most)
		}
		if last := asked[len(asked)-1]; last < 12*time.Second {
			t.Errorf("the last list was at %v, before the last event", last)
		}
	})
}
