"""The Growth dock: where this head stands on a growth chart, by a pregnancy's dates."""
