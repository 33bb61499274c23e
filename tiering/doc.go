// Package tiering runs policies: it decides when, lets the parts below it scan, select and move, and says what came of it.
package tiering
