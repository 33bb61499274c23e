//go:build !linux

package config

func networkFilesystem(string) string { return "" }
