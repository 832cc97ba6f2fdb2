"""What the Python programs share: see README.md."""

import os
import sys

DSN = "postgresql://{PGUSER}:{PGPASSWORD}@{PGHOST}:{PGPORT}/{PGDATABASE}".format(**os.environ)
#: More than pool.size, so that connections to the server are really shared.
CLIENTS = 6
#: Left out where tables are sharded: what pgherd refuses there, each time with its name.
SHARDED = "PGHERD_SHARDED" in os.environ

#: A statement that lasts until it is cancelled, and whether it runs by now, which only the shard can
#: tell that it runs on. Named after the program, since others run beside it.
SLEEP = f"/* pgherd: shard=s1 */ SELECT pg_sleep(60) /* {os.path.basename(sys.argv[0])} */"
SLEEPS = (
    "SELECT count(*) > 0 FROM pg_stat_activity"
    f" WHERE query LIKE '%60) /* {os.path.basename(sys.argv[0])} */'"
    " AND state = 'active' AND datname = current_database()"
)


def say(name, *values):
    """One line of the outcome."""
    print(f"{name}:", *[repr(value) for value in values], flush=True)
