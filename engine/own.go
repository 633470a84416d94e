package engine

import (
	"reflect"
	"slices"
)

// ownPrecedence is the precedence of a dialect that users wrote, where they gave none: they know their page.
const ownPrecedence = 100

// Shadow returns the users' own dialects before the built-in ones, without those whose names they took.
func Shadow(own, builtin []Dialect) []Dialect {
	all := slices.Clone(own)
	for i := range all {
		if all[i].Precedence == 0 {
			all[i].Precedence = ownPrecedence
		}
	}
	for _, d := range builtin {
		if !slices.ContainsFunc(own, func(o Dialect) bool { return o.Name == d.Name }) {
			all = append(all, d)
		}
	}
	return all
}

// plansOf the dialects. Those of old that are the same still are kept, so that their servers notice nothing.
func plansOf(dialects []Dialect, old []*plan) []*plan {
	var plans []*plan
	for _, d := range dialects {
		i := slices.IndexFunc(old, func(p *plan) bool { return reflect.DeepEqual(p.dialect, d) })
		if i < 0 {
			plans = append(plans, newPlan(d))
			continue
		}
		plans = append(plans, old[i])
	}
	return plans
}

// renew the plans where users changed their dialects.
func (e *Engine) renew() {
	if e.config.Own == nil {
		return
	}
	old := *e.plans.Load()
	if plans := plansOf(Shadow(e.config.Own(), e.config.Dialects), old); !slices.Equal(plans, old) {
		e.plans.Store(&plans)
	}
}

// use the plans from now on. A page that spoke a dialect which is no more is looked at anew.
func (s *server) use(plans []*plan) {
	if slices.Equal(plans, s.plans) {
		return
	}
	s.plans = plans
	s.plan = nil
}
