package mover

// WithBuffer lets files be copied by so many bytes at a time: a small one makes a small file one of many steps.
func WithBuffer(o Options, bytes int) Options {
	o.buffer = bytes
	return o
}
