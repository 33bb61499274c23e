//go:build !linux

package influxtest

import "syscall"

func dieWithParent() *syscall.SysProcAttr { return nil }
