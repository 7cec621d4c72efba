"""A tumour's change between studies: what sizes mean, studies from tables and results, the picture."""
