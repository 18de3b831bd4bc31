"""Reports as values: sections, tables and charts, shown in a terminal, as Markdown or as HTML."""
