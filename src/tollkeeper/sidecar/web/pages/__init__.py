"""One file a page: what is asked of the API, and what is done with its forms. How it looks is in `templates/`."""
