package main

import (
	"encoding/xml"
	"os"
	"path/filepath"
	"strings"

	"github.com/doorward-mcp/doorward/policy/cedar"
)

// The form that build servers read test results in: one suite for each file of cases.
type (
	junitSuites struct {
		XMLName  xml.Name     `xml:"testsuites"`
		Tests    int          `xml:"tests,attr"`
		Failures int          `xml:"failures,attr"`
		Suites   []junitSuite `xml:"testsuite"`
	}
	junitSuite struct {
		Name     string      `xml:"name,attr"`
		Tests    int         `xml:"tests,attr"`
		Failures int         `xml:"failures,attr"`
		Cases    []junitCase `xml:"testcase"`
	}
	junitCase struct {
		Name    string        `xml:"name,attr"`
		Class   string        `xml:"classname,attr"`
		File    string        `xml:"file,attr"`
		Line    int           `xml:"line,attr"`
		Failure *junitFailure `xml:"failure"`
	}
	junitFailure struct {
		Message string `xml:"message,attr"`
	}
)

// writeJUnit writes results to a file.
func writeJUnit(name, dir string, results []cedar.Result) error {
	all := junitSuites{Tests: len(results)}
	for _, r := range results {
		file := filepath.Join(dir, r.Case.File)
		if n := len(all.Suites); n == 0 || all.Suites[n-1].Name != file {
			all.Suites = append(all.Suites, junitSuite{Name: file})
		}
		suite := &all.Suites[len(all.Suites)-1]
		suite.Tests++
		one := junitCase{Name: r.Case.Name, Class: r.Case.File, File: file, Line: r.Case.Line}
		if len(r.Wrong) > 0 {
			one.Failure = &junitFailure{strings.Join(r.Wrong, "; ")}
			suite.Failures++
			all.Failures++
		}
		suite.Cases = append(suite.Cases, one)
	}
	b, err := xml.MarshalIndent(all, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(name, append([]byte(xml.Header), append(b, '\n')...), 0o644)
}
