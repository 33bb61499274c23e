//go:build !unix

package tiering

// descriptors is how many files a process may have open.
func descriptors() int { return 1024 }
