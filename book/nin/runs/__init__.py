"""The runs that the chapters' claims rest on: which ones, recorded one JSON line each, and read back."""
