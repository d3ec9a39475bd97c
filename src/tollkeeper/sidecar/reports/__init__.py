"""Reports for people: each kind is made once, as a document, and rendered as a page, a PDF, a table or JSON."""
