"""`python -m extagents` is the command `extagents`."""

import sys

from extagents.cli.main import main

sys.exit(main())
