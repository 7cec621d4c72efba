"""Phantoms: pictures made by calculation, whose true measurements are known."""
