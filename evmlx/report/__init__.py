"""Result files -> metrics.json, REPORT.md and report.html."""
