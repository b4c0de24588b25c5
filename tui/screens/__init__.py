"""The places of the console, one a file: found by tui/place.py, which says what such a file defines."""
