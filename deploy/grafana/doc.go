// Package grafana holds the Grafana board of the fleet and the files that provision it. There is no code to import: the
// tests run every query of the board against a real InfluxDB and compare what it returns value by value.
package grafana
