// Command tidemark watches how full volumes are, says when each will fill, and what to do about it.
package main

import "os"

func main() { os.Exit(run(os.Args, os.Stdin, os.Stdout, os.Stderr)) }
