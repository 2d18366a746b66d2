"""From findings to what a person reads: console, Markdown, charts, page, exports. Only this room writes English."""
