"""Files to text with its places: pages, headings, rectangles. Knows no database and no model."""
