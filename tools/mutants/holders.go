package main

// holderTable is what a kubelet, an API server and a device plugin can do to who is said to hold a GPU.
func holderTable() []mutant {
	const folder = "./kubelet"
	return []mutant{
		{
			fault: "holder: a kubelet that restarts lists nothing", file: "kubelet/mapping.go", folder: folder, test: "TestMapping",
			text: "if doubtful && at.Sub(h.missing) < grace", instead: "if false && doubtful",
		},
		{
			fault: "holder: a restart so quick that nothing failed", file: "kubelet/podresources.go", folder: folder, test: "TestQuickRestart",
			text: "pods: len(answer.GetPodResources()), anew: anew}", instead: "pods: len(answer.GetPodResources()), anew: anew && false}",
		},
		{
			fault: "holder: a mapping that is kept looks young", file: "kubelet/mapping.go", folder: folder, test: "TestMappingAge",
			text: "if h.confirmed.Before(oldest) {", instead: "if false {",
		},
		{
			fault: "holder: an old kubelet lists an ended pod", file: "kubelet/join.go", folder: folder, test: "TestKubelets",
			text: "if !pod.Ended() {", instead: "if true {",
		},
		{
			fault: "holder: two pods are listed with one id", file: "kubelet/join.go", folder: folder, test: "TestRivals",
			text: "alive, conflicts := settle(alive)", instead: "_, conflicts := settle(nil)",
		},
		{
			fault: "holder: two pods are listed with one id from the first list on", file: "kubelet/rivals.go", folder: folder, test: "TestRivals",
			text: "if len(r.pods) > 1 {", instead: "if false {",
		},
		{
			fault: "holder: a list larger than the limit", file: "kubelet/socket.go", folder: folder, test: "TestListTooBig",
			text: "if strings.Contains(text, \"larger than max\") {", instead: "if strings.Contains(text, \"\\x00\") {",
		},
		{
			fault: "holder: a socket comes and goes", file: "kubelet/podswatch.go", folder: folder, test: "TestSocketMustBeSteady",
			text: "if w.stopAPI == nil || wait(ctx, w.settled, nil) {", instead: "if true {",
		},
		{
			fault: "holder: an API server comes and goes", file: "kubelet/pods.go", folder: folder, test: "TestChoiceOfSource",
			text: "order := []podSource{before.source, fromKubelet, fromAPI}", instead: "order := []podSource{fromAPI, fromAPI, fromKubelet}",
		},
		{
			fault: "holder: a DRA name says nothing", file: "kubelet/claims.go", folder: folder, test: "TestSlicesWhenTheyAreNeeded",
			text: "if now.unresolved {", instead: "if false {",
		},
		{
			fault: "holder: a slice of an older generation", file: "kubelet/sliceindex.go", folder: folder, test: "TestResolveBySlices",
			text: " || pool.Generation != newest[pool.Name]",
		},
		{
			fault: "holder: two instances of one profile", file: "kubelet/ids.go", folder: folder, test: "TestResolveBySlices",
			text: "if found != \"\" && found != devices[i].ID {", instead: "if false {",
		},
		{
			fault: "holder: a thousand pod events", file: "kubelet/claims.go", folder: folder, test: "TestBurstOfPodEvents",
			text: "if gap := min(listGap, k.interval) - time.Since(last); gap > 0 && !wait(ctx, gap, nil) {", instead: "if time.Since(last) < 0 {",
		},
		{
			fault: "holder: a worker of a group serves no page", file: "scaling/scaling.go", folder: "./scaling", test: "TestGroupSpeaksThroughItsLeader",
			text: "answers := out.Place.Role != node.Worker", instead: "answers := true",
		},
	}
}
