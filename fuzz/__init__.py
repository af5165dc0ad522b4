"""Fuzz targets: whatever is read, nothing but CarnetError may escape."""
