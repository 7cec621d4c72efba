"""The Review dock: a queue of cases, one after another, each accepted, corrected or rejected."""
