"""A tumour's change between studies: sizes by RANO (`rano`), studies from tables and results (`studies`), the picture."""
