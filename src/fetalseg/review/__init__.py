"""Reviewing: a queue of a data set's items, a journal of what is being drawn, and the two together."""
