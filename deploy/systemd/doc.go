// Package systemd holds the units that run Tidemark as a service. There is no code to import: the tests have systemd verify the
// units and rate their security, and start them under a systemd of their own, in namespaces apart from the host.
package systemd
