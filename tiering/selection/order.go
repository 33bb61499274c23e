package selection

// Order is which eligible files go first.
type Order string

const (
	Coldest Order = "coldest" // idle the longest
	Largest Order = "largest"
	Oldest  Order = "oldest" // not written for the longest
)
