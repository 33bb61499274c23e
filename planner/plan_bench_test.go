package planner

import "testing"

// BenchmarkPlan plans for one volume with two years behind it and two what-ifs.
func BenchmarkPlan(b *testing.B) {
	h := historyOf(vol("a", "/v", walk(730, 3000, 5, 30, 1, 1), 7000))
	q := planQuery()
	q.Scenarios = []Scenario{{Name: "growth", Growth: .3}, {Name: "add", Adds: []Addition{{Amount: planGiB, At: now}}}}
	for b.Loop() {
		if _, err := (Planner{History: h}).Plans(b.Context(), q); err != nil {
			b.Fatal(err)
		}
	}
}
