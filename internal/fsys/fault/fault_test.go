package fault_test

import (
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/tidemark/tidemark/internal/fsys"
	"github.com/tidemark/tidemark/internal/fsys/crash"
	"github.com/tidemark/tidemark/internal/fsys/fault"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// disk has a file a=content and a directory d.
func disk(t testing.TB) *crash.FS {
	t.Helper()
	disk := crash.New(crash.Mount{Path: "/m"})
	must(t, disk.Put("/m/a", []byte("content"), 0o644))
	must(t, disk.Special("/m/d", unix.S_IFDIR|0o755))
	return disk
}

// every makes every call that there is once, by reflection over the interfaces, and returns their errors by name.
func every(t *testing.T, f fsys.FS) map[string]error {
	t.Helper()
	errs := map[string]error{}
	root, err := f.OpenRoot("/m")
	errs["OpenRoot"] = err
	if err != nil {
		return errs
	}
	sub, err := root.OpenDir("d")
	errs["OpenDir"] = err
	a, err := root.OpenReadWrite("a")
	errs["OpenReadWrite"] = err
	arguments := map[string][]any{
		"Open": {"a"}, "Create": {"new", uint32(0o600)}, "StatName": {"a"}, "ReadLink": {"l"}, "Symlink": {"target", "l"},
		"ChownName": {"a", uint32(1), uint32(2)}, "SetTimesName": {"a", fsys.Time{}, fsys.Time{}}, "Mkdir": {"e", uint32(0o700)},
		"Remove": {"l"}, "RemoveDir": {"e"}, "Rename": {"x", root, "y", fsys.Replace}, "Link": {"a", root, "x"}, "Lock": {"lock"},
		"Chown": {uint32(1), uint32(1)}, "Chmod": {uint32(0o600)}, "SetTimes": {fsys.Time{}, fsys.Time{}}, "SetXattr": {"user.a", []byte("v")},
		"RemoveXattr": {"user.a"}, "SetFlags": {uint32(0)}, "SetProjectID": {uint32(1)}, "ReadAt": {make([]byte, 5), int64(0)},
		"WriteAt": {[]byte("CONTENT"), int64(0)}, "Truncate": {int64(5)}, "NextData": {int64(0), int64(5)}, "SetLease": {fsys.LeaseNone},
	}
	order := []string{"Symlink", "ReadLink", "Mkdir", "Link", "SetXattr", "Truncate"} // before those that need them
	call := func(on any, kind reflect.Type) {
		var names []string
		for method := range kind.Methods() {
			if !slices.Contains(order, method.Name) && method.Name != "OpenDir" && method.Name != "OpenReadWrite" && method.Name != "Close" {
				names = append(names, method.Name)
			}
		}
		for _, name := range append(append([]string{}, order...), names...) {
			method := reflect.ValueOf(on).MethodByName(name)
			if _, has := kind.MethodByName(name); !has {
				continue
			}
			var in []reflect.Value
			for _, a := range arguments[name] {
				in = append(in, reflect.ValueOf(a))
			}
			out := method.Call(in)
			err, _ := out[len(out)-1].Interface().(error)
			if errs[name] == nil {
				errs[name] = err
			}
			if closer, ok := out[0].Interface().(io.Closer); ok && err == nil {
				closer.Close()
			}
		}
	}
	if sub != nil {
		call(root, reflect.TypeFor[fsys.Dir]())
	}
	if a != nil {
		call(a, reflect.TypeFor[fsys.File]())
		errs["Close"] = a.Close()
	}
	return errs
}

// Each call of the interfaces reaches the filesystem below, is counted by its name, and can be made to fail.
func TestEveryCallCanFail(t *testing.T) {
	all := fault.New(disk(t), fault.Plan{})
	for name, err := range every(t, all) {
		if err != nil {
			t.Errorf("%s does not reach what is below: %v", name, err)
		}
	}
	ops := map[string]bool{}
	for _, c := range all.Calls() {
		ops[c.Op] = true
	}
	for _, kind := range []reflect.Type{reflect.TypeFor[fsys.FS](), reflect.TypeFor[fsys.Dir](), reflect.TypeFor[fsys.File]()} {
		for method := range kind.Methods() {
			if !ops[method.Name] {
				t.Errorf("%s is not counted", method.Name)
			}
			planted := &fault.Fault{Match: func(c fault.Call) bool { return c.Op == method.Name }, Err: unix.ESTALE}
			f := fault.New(disk(t), fault.Plan{Faults: []*fault.Fault{planted}})
			if err := every(t, f)[method.Name]; !errors.Is(err, unix.ESTALE) {
				t.Errorf("%s: %v", method.Name, err)
			}
			if f.Hits()[0] == 0 {
				t.Errorf("%s was not hit", method.Name)
			}
		}
	}
}

func TestNumberAndNth(t *testing.T) {
	f := fault.New(disk(t), fault.Plan{Faults: []*fault.Fault{
		{Number: 3, Err: unix.EIO},
		{Match: func(c fault.Call) bool { return c.Path == "/m/a" }, Nth: 2, Err: unix.ENOSPC},
		{Number: 99, Err: unix.EIO},
	}})
	d, err := f.OpenRoot("/m") // 1
	must(t, err)
	var got []string
	for range 4 {
		_, err := d.StatName("a") // 2 …
		var errno unix.Errno
		errors.As(err, &errno)
		got = append(got, unix.ErrnoName(errno))
	}
	if want := []string{"", "EIO", "", ""}; !slices.Equal(got, want) { // the third is the second at a, but one fault is enough
		t.Errorf("got %q, want %q", got, want)
	}
	if hits := f.Hits(); !slices.Equal(hits, []int{1, 0, 0}) {
		t.Errorf("hits: %v", hits)
	}
	if failed := fmt.Sprint(f.Failed()); failed != "[3 StatName /m/a]" || f.Count() != 5 {
		t.Errorf("failed: %s of %d", failed, f.Count())
	}
}

func TestPartialWrite(t *testing.T) {
	below := disk(t)
	f := fault.New(below, fault.Plan{Faults: []*fault.Fault{{Match: is("WriteAt"), Err: unix.ENOSPC, Partial: 3}}})
	a := openFile(t, f)
	n, err := a.WriteAt([]byte("NEW CONTENT"), 0)
	if n != 3 || !errors.Is(err, unix.ENOSPC) {
		t.Errorf("%d, %v", n, err)
	}
	if content, err := below.Content("/m/a"); err != nil || string(content) != "NEWtent" {
		t.Errorf("%q, %v", content, err)
	}
}

func is(op string) func(fault.Call) bool { return func(c fault.Call) bool { return c.Op == op } }

func openFile(t *testing.T, f fsys.FS) fsys.File {
	t.Helper()
	d, err := f.OpenRoot("/m")
	must(t, err)
	a, err := d.OpenReadWrite("a")
	must(t, err)
	return a
}

func TestFailedSyncIsForGood(t *testing.T) {
	for op, sync := range map[string]func(f fsys.File, d fsys.Dir) error{
		"Sync":   func(f fsys.File, _ fsys.Dir) error { return f.Sync() },
		"SyncFS": func(_ fsys.File, d fsys.Dir) error { return d.SyncFS() },
	} {
		below := disk(t)
		f := fault.New(below, fault.Plan{Faults: []*fault.Fault{{Match: is(op), Nth: 1, Err: unix.EIO}}})
		d, err := f.OpenRoot("/m")
		must(t, err)
		a, err := d.OpenReadWrite("a")
		must(t, err)
		_, err = a.WriteAt([]byte("CONTENT"), 0)
		must(t, err)
		if err := sync(a, d); !errors.Is(err, unix.EIO) {
			t.Errorf("%s: %v", op, err)
		}
		must(t, sync(a, d))
		must(t, d.SyncFS())
		if content, err := below.Cut(0, 1).Content("/m/a"); err != nil || string(content) != "content" {
			t.Errorf("%s failed, and there is %q, %v", op, content, err)
		}
	}
}

func TestHappensAllTheSame(t *testing.T) {
	below := disk(t)
	f := fault.New(below, fault.Plan{Faults: []*fault.Fault{
		{Match: is("Rename"), Err: unix.ESTALE, Happens: true}, {Match: is("Create"), Err: unix.EIO, Happens: true},
	}})
	d, err := f.OpenRoot("/m")
	must(t, err)
	if err := d.Rename("a", d, "b", fsys.NoReplace); !errors.Is(err, unix.ESTALE) {
		t.Errorf("%v", err)
	}
	if made, err := d.Create("c", 0o600); made != nil || !errors.Is(err, unix.EIO) {
		t.Errorf("%v, %v", made, err)
	}
	names, err := d.Names()
	if err != nil || !slices.Equal(names, []string{"b", "c", "d"}) {
		t.Errorf("%q, %v", names, err)
	}
}

// A hook can cut the power between two calls; the numbers tell which.
func TestHooks(t *testing.T) {
	below := disk(t)
	var after *crash.FS
	var said []string
	f := fault.New(below, fault.Plan{
		Before: func(c fault.Call) {
			if c.Op == "Rename" && c.How == fsys.Exchange {
				after = below.Cut(1, 0)
			}
		},
		After: func(c fault.Call, err error) { said = append(said, fmt.Sprint(c, ": ", err == nil)) },
	})
	d, err := f.OpenRoot("/m")
	must(t, err)
	must(t, d.Rename("a", d, "b", fsys.NoReplace))
	must(t, d.Sync())
	if err := d.Rename("b", d, "d", fsys.Exchange); !errors.Is(err, unix.EIO) {
		t.Errorf("after the cut: %v", err)
	}
	if content, err := after.Content("/m/b"); err != nil || string(content) != "content" {
		t.Errorf("%q, %v", content, err)
	}
	if want := []string{"1 OpenRoot /m: true", "2 Rename /m/a /m/b: true", "3 Sync /m: true", "4 Rename /m/b /m/d: false"}; !slices.Equal(said, want) {
		t.Errorf("said %q", said)
	}
}

func TestManyAtOnce(t *testing.T) {
	f := fault.New(disk(t), fault.Plan{Faults: []*fault.Fault{{Match: is("StatName"), Nth: 100, Err: unix.EIO}}})
	d, err := f.OpenRoot("/m")
	must(t, err)
	var wait sync.WaitGroup
	for range 8 {
		wait.Go(func() {
			for range 50 {
				d.StatName("a")
			}
		})
	}
	wait.Wait()
	if f.Count() != 401 || f.Hits()[0] != 1 {
		t.Errorf("%d calls, %v hits", f.Count(), f.Hits())
	}
}
