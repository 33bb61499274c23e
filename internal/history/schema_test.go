package history

import (
	"crypto/sha256"
	"fmt"
	"testing"
)

// A migration that was released must not change: files that have run it would differ from new ones for good.
func TestReleasedMigrationsAreAsTheyWere(t *testing.T) {
	released := []string{
		"88cba6fbe0ae7c76b7ba39c2c37d23a74890fede7404e5919763219564c12249",
		"d0b85739ec2c8366d7f88edf96079d9266a81b7743316c7827fd78178894de6c",
	}
	if len(schema) < len(released) {
		t.Fatalf("%d migrations, %d were released", len(schema), len(released))
	}
	for i, want := range released {
		if got := fmt.Sprintf("%x", sha256.Sum256([]byte(schema[i]))); got != want {
			t.Errorf("migration %d is %s, it was released as %s", i+1, got, want)
		}
	}
}
