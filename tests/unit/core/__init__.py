"""The ground: settings, tables, files."""
