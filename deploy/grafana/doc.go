// Package grafana holds the Grafana boards of the fleet and of tiering, and the files that provision them. There is no code
// to import: the tests run every query of the boards against a real InfluxDB and compare what it returns value by value.
package grafana
