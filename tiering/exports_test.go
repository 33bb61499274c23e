package tiering

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestExportedPaths(t *testing.T) {
	for _, c := range []struct {
		name, text string
		parse      func(string) (exported, includes []string)
		want       string // separated by |; included files after a ||
	}{
		{"nfs", "/srv/a 10.0.0.0/8(rw) *(ro)\n\t/srv/b\tclient\n", nfsPaths, "/srv/a|/srv/b"},
		{"nfs comments", "# /srv/a *\n\n  # more\n/srv/b # /srv/c\n", nfsPaths, "/srv/b"},
		{"nfs quotes", "\"/srv/with space\" *(rw)\n/srv/\"x y\"/z *\n", nfsPaths, "/srv/with space|/srv/x y/z"},
		{"nfs escapes", `/srv/with\040space *` + "\n" + `/srv/\134\011\377` + "\n" + `/srv/\9\040x`, nfsPaths, "/srv/with space|/srv/\\\t\xff|/srv/\\9 x"},
		{"nfs continued", "/srv/a \\\n  /not/an/export(rw) \\\n  c(ro)\n/srv/b\\\n c", nfsPaths, "/srv/a|/srv/b"},
		{"nfs comment that ends in a backslash", "# old \\\n/srv/a *", nfsPaths, "/srv/a"},
		{"nfs root and dots", "/ *\n/srv/../data/ *\nrelative *", nfsPaths, "/|/data"},
		{"nfs without a last line end", "/srv/a", nfsPaths, "/srv/a"},
		{"nfs etab", "/srv/a\t10.0.0.1(rw,sync,secure)\n", nfsPaths, "/srv/a"},
		{"samba", "[global]\n workgroup = X\n[a]\n  path = /srv/a b \n[b]\nPATH=/srv/b/\n directory = /srv/c\n", sambaPaths, "/srv/a b|/srv/b|/srv/c"},
		{"samba comments", "# path = /srv/a\n ; path = /srv/b\n;path=/c\n", sambaPaths, ""},
		{"samba continued", "path = /srv/\\\na\n", sambaPaths, "/srv/a"},
		{"samba quotes", "path = \"/srv/a b\"", sambaPaths, "/srv/a b"},
		{"samba by user", "path = /srv/users/%U/x\npath = /srv/%u-x\npath=%H/x\npath = /%S", sambaPaths, "/srv/users|/srv|/"},
		{"samba homes", "[homes]\r\n browseable = no\r\n[a]\r\npath = /srv/a\r\n", sambaPaths, "/srv/a|/home"},
		{"samba include", "include = /etc/samba/more.conf\ninclude = registry", sambaPaths, "||/etc/samba/more.conf"},
		{"samba user share", "#VERSION 2\npath=/srv/share\ncomment=\nusershare_acl=S-1-1-0:R\n", sambaPaths, "/srv/share"},
		{"samba odd keys", "p a th = /srv/a\nxpath = /srv/b\npath /srv/c", sambaPaths, "/srv/a"},
	} {
		t.Run(c.name, func(t *testing.T) {
			exported, includes := c.parse(c.text)
			got := strings.Join(exported, "|")
			if len(includes) > 0 {
				got += "||" + strings.Join(includes, "|")
			}
			if got != c.want {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
}

func FuzzExportedPaths(f *testing.F) {
	f.Add("/srv/a\\040b \"c d\" \\\n#x\n", "/srv/x y")
	f.Add("[homes]\npath = \"/srv/%U\"\ninclude = /x", "/srv/\"\\")
	f.Add("\\\n\\", "/\\777")
	f.Fuzz(func(t *testing.T, text, path string) {
		for _, parse := range []func(string) (exported, includes []string){nfsPaths, sambaPaths} {
			exported, includes := parse(text)
			for _, p := range slices.Concat(exported, includes) {
				if !filepath.IsAbs(p) || filepath.Clean(p) != p {
					t.Errorf("%q of %q", p, text)
				}
			}
		}
		// What nfs-utils writes of a path reads as that path.
		if path = filepath.Clean("/" + path); strings.Contains(path, "\x00") {
			return
		}
		escaped := escapeExport(path)
		if exported, _ := nfsPaths("# first\n" + escaped + " *(rw)\n"); len(exported) != 1 || exported[0] != path {
			t.Errorf("%q reads as %q", escaped, exported)
		}
	})
}

// escapeExport writes a path as exportfs does.
func escapeExport(path string) string {
	var out strings.Builder
	for i := range len(path) {
		if c := path[i]; strings.IndexByte(" \t\r\n\\\"#", c) >= 0 {
			out.WriteString("\\" + string([]byte{'0' + c>>6, '0' + (c>>3)&7, '0' + c&7}))
		} else {
			out.WriteByte(c)
		}
	}
	return out.String()
}

func TestOverlapSeesThroughSymlinks(t *testing.T) {
	dir := real(t.TempDir())
	for _, err := range []error{os.MkdirAll(dir+"/data/volume", 0o755), os.Symlink("data", dir+"/link")} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		a, b string
		want bool
	}{
		{"/data/volume", "/link", true},
		{"/link/volume", "/data/volume", true},
		{"/data", "/link/volume", true},
		{"/data/volume", "/data/vol", false},
		{"/data", "/elsewhere", false},
	} {
		if got := overlap(dir+c.a, dir+c.b); got != c.want {
			t.Errorf("%s and %s: %t", c.a, c.b, got)
		}
	}
}

// A policy for /var must not move what the engine goes by, nor an archive's own files.
func TestOwnDirectoriesAreLeftAlone(t *testing.T) {
	dir := real(t.TempDir())
	for _, err := range []error{os.MkdirAll(dir+"/var/lib/data", 0o755), os.MkdirAll(dir+"/var/vault", 0o755), os.Symlink("var/lib/data", dir+"/data"), os.Symlink("var", dir+"/v")} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct{ name, own, volume, want string }{
		{"below", "/var/lib/data", "/var", "/var/lib/data|/var/vault"},
		{"by a symlink", "/data", "/var/lib", "/var/lib/data"},
		{"of a volume by a symlink", "/var/lib/data", "/v", "/v/lib/data|/v/vault"},
		{"the volume itself", "/var/lib/data", "/var/lib/data", "/var/lib/data"},
		{"a volume below", "/var/lib", "/var/lib/data", "/var/lib/data"},
		{"elsewhere", "/var/lib/dat", "/var/lib/data", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := New(Options{Own: []string{dir + c.own}, Archives: []ArchiveVolume{{Name: "vault", Path: dir + "/var/vault/"}}})
			got := e.ownOn(dir + c.volume)
			for i := range got {
				got[i] = strings.TrimPrefix(got[i], dir)
			}
			if strings.Join(got, "|") != c.want {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
}
