"""What the Python programs share: see README.md."""

import os
import sys

DSN = "postgresql://{PGUSER}:{PGPASSWORD}@{PGHOST}:{PGPORT}/{PGDATABASE}".format(**os.environ)
#: More than pool.size, so that connections to the server are really shared.
CLIENTS = 6
#: Left out where tables are sharded: what pgherd refuses there, and says so.
SHARDED = "PGHERD_SHARDED" in os.environ


def say(name, *values):
    """One line of the outcome."""
    print(f"{name}:", *[repr(value) for value in values], flush=True)


def fail(error):
    """An error as it is compared."""
    code = getattr(error, "sqlstate", None)
    print(error, file=sys.stderr)
    return f"error {code}"
