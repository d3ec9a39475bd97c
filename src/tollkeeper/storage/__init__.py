"""What is kept: the spool of an app process, the ledger of all calls, and what is decided about their prices."""
