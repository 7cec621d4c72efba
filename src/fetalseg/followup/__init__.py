"""A tumour's change between studies: what sizes mean (`rano`), studies from tables and results (`studies`), `picture`."""
