package volume

import "strings"

// Pool names the pool whose space a volume shares with others of its host, so that a pool is forecast and counted once:
// the device of a btrfs, the first part of a ZFS dataset's name. It is empty for a volume that has its space to itself.
func Pool(a Attributes) string {
	switch a.Fstype {
	case "btrfs":
		return a.Device
	case "zfs":
		pool, _, _ := strings.Cut(a.Device, "/")
		return pool
	default:
		return ""
	}
}

// networkFstypes are served by another machine: every client reports the same space.
var networkFstypes = map[string]bool{
	"nfs": true, "nfs4": true, "cifs": true, "smb3": true, "smbfs": true, "ceph": true, "fuse.ceph": true,
	"glusterfs": true, "fuse.glusterfs": true, "lustre": true, "gpfs": true, "beegfs": true, "9p": true, "afs": true,
	"fuse.sshfs": true, "virtiofs": true,
}

// Network says whether the filesystem type is served over a network, so that a fleet's total counts it once, by device.
func Network(fstype string) bool { return networkFstypes[fstype] }
