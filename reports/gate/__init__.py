"""Whether one version is slower than another: tests, verdicts, and their forms for CI."""
