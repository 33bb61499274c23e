package main

import "io"

var version = "dev"

func run(args []string, stdin io.Reader, stdout, stderr io.Writer) int { return 0 }
