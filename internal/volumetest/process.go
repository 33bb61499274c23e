package volumetest

import (
	"math"
	"math/rand/v2"
)

// process is a volume at the end of a day. Copying it forks the future.
type process struct {
	unit  float64 // a usual day's growth of a steady volume
	day   int
	level float64 // what has been written for good

	growth       float64 // mean change a day
	acceleration float64 // share by which growth rises a day
	wander       float64 // standard deviation of a day's change
	noise        float64 // standard deviation of what comes and goes within a day
	week         [7]float64
	tails        float64 // scale of changes with heavy tails

	jumpEvery float64 // mean days between one-off copies
	jumpSize  float64 // mean, exponential
	freeEvery float64 // mean days between cleanups
	freed     float64 // mean share of what was written since the last one that a cleanup deletes
	since     float64 // written since the last cleanup

	saw       float64 // height of a tooth
	sawEvery  int     // days; 0: collected when it is about that high
	sawDays   float64 // that a tooth takes when it is collected
	tooth     float64
	threshold float64
	kept      [3]float64 // weekly backups, newest last

	loadDay int // on which a new volume's data comes; 0: none
	load    float64
	awayDay int // on which a migration of five days begins; 0: none
	away    float64

	jumped bool // on this day, for Volume.Jumps
}

func processOf(kind Kind, r *rand.Rand) process {
	u := math.Pow(10, 8+3*r.Float64()) // hundred MB to a hundred GB a day
	p := process{unit: u, level: u * (200 + 800*r.Float64()), growth: u * (.7 + .6*r.Float64()), wander: .8 * u, noise: .3 * u}
	switch kind {
	case Week:
		p.week = [7]float64{0, 2 * u, 3 * u, 4 * u, 5 * u, -2 * u, -3 * u}
	case Accelerating:
		p.growth, p.acceleration = p.growth*.4, math.Ln2/180
	case Logs:
		p.growth, p.wander, p.saw, p.sawEvery = 0, 0, 40*u, []int{7, 14, 30}[r.IntN(3)]
	case Collected:
		p.growth, p.wander, p.saw, p.sawDays = 0, 0, 40*u, 8+10*r.Float64()
		p.threshold = p.saw
	case Backups:
		p.growth, p.wander, p.saw = 0, 0, 60*u
		p.kept = [3]float64{p.saw, p.saw, p.saw}
	case Cleanups:
		p.growth, p.freeEvery, p.freed = 2*p.growth, 45, .5
	case Copies:
		p.growth, p.wander, p.jumpEvery, p.jumpSize = .2*p.growth, .1*u, 40, 25*u
	case Migration:
		p.away = .4 * p.level
	case Load:
		p.load = p.level
		p.level, p.wander = .03*p.level, .3*u
		p.noise = .1 * u
	case Shrinking:
		p.growth = -p.growth
	case Idle:
		p.growth, p.wander, p.noise, p.level = 0, 0, 4096, max(p.level, 1e12)
	case Jumpy:
		p.growth, p.wander, p.tails = .2*p.growth, 0, u
	}
	return p
}

// growthPerDay is the mean of what is to come, above 0.
func (p *process) growthPerDay() float64 {
	g := p.growth
	if p.jumpEvery > 0 {
		g += p.jumpSize / p.jumpEvery
	}
	if p.freeEvery > 0 {
		g *= 1 - p.freed
	}
	return max(g, .2*p.unit)
}

// next goes on by a day and returns its use.
func (p *process) next(r *rand.Rand) float64 {
	p.jumped = false
	change := p.growth + p.wander*r.NormFloat64()
	p.growth *= 1 + p.acceleration
	if p.tails > 0 {
		change += p.tails * heavy(r)
	}
	if p.jumpEvery > 0 && r.Float64() < 1/p.jumpEvery {
		p.jumped = true
		change += p.jumpSize * (.5 + .5*r.ExpFloat64())
	}
	if p.freeEvery > 0 {
		p.since += change
		if r.Float64() < 1/p.freeEvery {
			p.jumped = p.since > 10*p.unit
			share := p.freed * (.7 + .6*r.Float64())
			change -= share * p.since
			p.since = 0
		}
	}
	if p.loadDay > 0 && p.day == p.loadDay {
		p.jumped = true
		change += p.load
	}
	if p.awayDay > 0 && p.day >= p.awayDay && p.day < p.awayDay+5 {
		p.jumped = p.day == p.awayDay
		change -= p.away / 5
	}
	p.level = max(0, p.level+change)
	used := p.level + p.week[p.day%7] + p.noise*r.NormFloat64() + p.teeth(r)
	p.day++
	return max(0, used)
}

// teeth is what a sawtooth adds on this day.
func (p *process) teeth(r *rand.Rand) float64 {
	switch {
	case p.saw == 0:
		return 0
	case p.sawEvery > 0:
		return p.saw * float64(p.day%p.sawEvery) / float64(p.sawEvery)
	case p.sawDays > 0:
		p.tooth += p.saw / p.sawDays * (.5 + r.Float64())
		if p.tooth > p.threshold {
			p.tooth, p.threshold = 0, p.saw*(.8+.4*r.Float64())
		}
		return p.tooth
	}
	if p.day%7 == 6 { // the oldest goes the day after the newest has come
		return p.kept[0] + p.kept[1] + p.kept[2] + p.saw
	}
	if p.day%7 == 0 {
		p.kept = [3]float64{p.kept[1], p.kept[2], p.saw * (.95 + .1*r.Float64())}
	}
	return p.kept[0] + p.kept[1] + p.kept[2] + .05*p.saw*float64(p.day%7)
}

// heavy is Student's t of two degrees of freedom, cut off at 30.
func heavy(r *rand.Rand) float64 {
	t := r.NormFloat64() / math.Sqrt(r.ExpFloat64())
	return max(-30, min(30, t))
}
