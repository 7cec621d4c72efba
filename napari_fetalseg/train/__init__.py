"""The Train dock: a model of your own, from what people accepted."""
