"""The web page: what the sidecar knows, to be seen and set in a browser. It is a client of the API, in its process."""
