"""``harness compare``: a candidate against a baseline, as a report that can gate a release."""
