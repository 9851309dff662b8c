"""Dies as a broken C extension would."""

import os

os.abort()
