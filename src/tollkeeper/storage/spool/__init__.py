"""The spool: finished calls, in files, until the ledger has them."""

from tollkeeper.storage.spool.contract import Batch, Destination, Parcel, Refused, SpoolState, Unavailable
from tollkeeper.storage.spool.spool import Spool

__all__ = ["Batch", "Destination", "Parcel", "Refused", "Spool", "SpoolState", "Unavailable"]
