"""LISTEN on several shards, by psycopg and asyncpg: what triggers of any shard say, once each, and
what is their own by the process id that they know of themselves."""

import asyncio
import os

import asyncpg
import psycopg

DSN = os.environ["PGHERD_DSN"]
KEYS = range(1, 13)
PATIENCE = 60


def connect():
    return psycopg.connect(DSN, autocommit=True)


def make():
    with connect() as c:
        c.execute("DROP TABLE IF EXISTS users CASCADE")
        c.execute("CREATE TABLE users (id bigint PRIMARY KEY, name text)")
        c.execute(
            "CREATE OR REPLACE FUNCTION heard() RETURNS trigger LANGUAGE plpgsql AS "
            "$$BEGIN PERFORM pg_notify('users', new.id::text); RETURN NULL; END$$"
        )
        c.execute(
            "CREATE TRIGGER heard AFTER INSERT ON users FOR EACH ROW EXECUTE FUNCTION heard()"
        )


def psycopg_hears():
    with connect() as hears, connect() as says:
        hears.execute("LISTEN users")
        for key in KEYS:
            says.execute("INSERT INTO users VALUES (%s, 'x')", (key,))
        got = [n for n in hears.notifies(timeout=PATIENCE, stop_after=len(KEYS))]
        assert sorted(int(n.payload) for n in got) == list(KEYS), got
        assert all(n.pid != hears.info.backend_pid for n in got), got
        # Its own.
        with hears.transaction():
            hears.execute("DELETE FROM users WHERE id = 3")
            hears.execute("INSERT INTO users VALUES (3, 'y')")
            assert list(hears.notifies(timeout=0.2)) == []
        [own] = hears.notifies(timeout=PATIENCE, stop_after=1)
        assert (own.pid, own.payload) == (hears.info.backend_pid, "3"), own
        # What is rolled back isn't heard of, and nothing twice.
        try:
            with says.transaction():
                says.execute("INSERT INTO users VALUES (100, 'x')")
                says.execute("NOTIFY users, 'undone'")
                raise psycopg.Rollback()
        except psycopg.Rollback:
            pass
        assert list(hears.notifies(timeout=0.3)) == []
        hears.execute("UNLISTEN *")
        says.execute("NOTIFY users, 'late'")
        assert list(hears.notifies(timeout=0.3)) == []


async def asyncpg_hears():
    options = dict(
        host=os.environ["PGHOST"],
        port=int(os.environ["PGPORT"]),
        user=os.environ["PGUSER"],
        password=os.environ["PGPASSWORD"],
        database=os.environ["PGDATABASE"],
    )
    async with asyncpg.create_pool(min_size=2, max_size=2, **options) as pool:
        for _ in range(3):
            got = asyncio.Queue()
            async with pool.acquire() as hears, pool.acquire() as says:
                await says.execute("DELETE FROM users")
                await hears.add_listener("users", lambda *told: got.put_nowait(told))
                for key in KEYS:
                    await says.execute("INSERT INTO users VALUES ($1, 'x')", key)
                told = [await asyncio.wait_for(got.get(), PATIENCE) for _ in KEYS]
                assert sorted(int(t[3]) for t in told) == list(KEYS), told
                await hears.execute("SELECT pg_notify('users', $1)", "own")
                _, pid, channel, payload = await asyncio.wait_for(got.get(), PATIENCE)
                assert (pid, channel, payload) == (hears.get_server_pid(), "users", "own")
                async with says.transaction():
                    await says.execute("NOTIFY users, 'said'")
                    await says.execute("UPDATE users SET name = 'y'")
                assert (await asyncio.wait_for(got.get(), PATIENCE))[3] == "said"
                # Given back to the pool, it is reset.
                if _ == 1:
                    await hears.remove_listener("users", lambda *told: None)
            async with pool.acquire() as says:
                await says.execute("NOTIFY users, 'late'")
            await asyncio.sleep(0.1)
            assert got.empty()


make()
psycopg_hears()
asyncio.run(asyncpg_hears())
with connect() as connection:
    connection.execute("DROP TABLE users")
    connection.execute("DROP FUNCTION heard()")
print("listen: ok")
