// Package digest hashes the content of files, so that a copy can be proven.
//
// A digest is written "blake3:HEX", the BLAKE3 hash (32 bytes) of the content that b3sum prints too, or, for a file of which at least 64 MiB
// are holes, "blake3-sparse:HEX": the BLAKE3 hash of those blocks of 1 MiB that are not all zero, each behind its offset, and of the size
// at the end; a terabyte of holes would take minutes to hash otherwise. The kind is chosen once, when a file is archived,
// and its digest depends on the content alone, never on where a filesystem put holes.
package digest
