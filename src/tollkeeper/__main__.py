"""`python -m tollkeeper VERB …`."""

import sys

from tollkeeper.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
