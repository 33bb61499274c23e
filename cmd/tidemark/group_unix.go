//go:build unix

package main

import "syscall"

// ownGroup keeps a process out of the terminal's group.
func ownGroup() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
