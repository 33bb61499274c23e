package table

import (
	"bytes"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

func TestParagraph(t *testing.T) {
	for _, tc := range []struct {
		name, in string
		width    int
		want     string
	}{
		{"fits", "  a: one two", 12, "  a: one two\n"},
		{"wraps", "  a: one two", 11, "  a: one\n    two\n"},
		{"breaks a long word", "one " + strings.Repeat("x", 12), 10, "one\n  xxxxxxxx\nxxxx\n"},
		{"counts wide characters twice", "日本 日本 x", 9, "日本 日本\n  x\n"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var out bytes.Buffer
			if err := Paragraph(&out, tc.in, tc.width); err != nil || out.String() != tc.want {
				t.Errorf("%q, %v; want %q", &out, err, tc.want)
			}
		})
	}
}

func TestPrintable(t *testing.T) {
	for in, want := range map[string]string{
		"":                    "",
		"/srv/a b/ä日本👍":       "/srv/a b/ä日本👍",
		"a\nb\tc\rd\x00e\x7f": `a\x0ab\x09c\x0dd\x00e\x7f`,
		"\x1b[31mred":         `\x1b[31mred`,
		"\u009b31m":           `\u009b31m`,
		"\xff\xc3":            `\xff\xc3`,
		"\ufffd":              "\ufffd",
		"a\u202eb\u200bc":     `a\u202eb\u200bc`,
		"a\u00a0b\u2028c":     `a\u00a0b\u2028c`,
		"\U000e0041":          `\U000e0041`,
		`back\slash`:          `back\slash`,
		"e\u0301":             "e\u0301",
	} {
		if got := Printable(in); got != want {
			t.Errorf("%q is written as %q, want %q", in, got, want)
		}
	}
}

func FuzzPrintable(f *testing.F) {
	for _, s := range []string{"/srv", "\x1b]0;title\a", "\xff\ufffd", "日本\u202e", "\U0010ffff"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, in string) {
		out := Printable(in)
		if !utf8.ValidString(out) || strings.ContainsFunc(out, func(r rune) bool { return !unicode.IsPrint(r) }) {
			t.Fatalf("%q is written as %q", in, out)
		}
		if again := Printable(out); again != out {
			t.Fatalf("%q is written as %q, and that as %q", in, out, again)
		}
		if !strings.ContainsRune(in, '\\') && strings.ContainsRune(out, '\\') == (in == out) {
			t.Fatalf("%q is written as %q: escaped and the same, or neither", in, out)
		}
	})
}
