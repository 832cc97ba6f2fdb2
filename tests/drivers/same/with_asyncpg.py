"""asyncpg: see README.md."""

import asyncio
import datetime as dt
import decimal
import json
import uuid

import asyncpg
from common import CLIENTS, DSN, SHARDED, SLEEP, SLEEPS, say

ROW = "SELECT id, name, n FROM asyncpg_rows WHERE id = $1"


async def tried(awaitable):
    try:
        return await awaitable
    except asyncpg.PostgresError as error:
        return f"error {error.sqlstate} {error} | {error.detail} | {error.hint} | {error.position}"
    except (asyncpg.InterfaceError, asyncio.TimeoutError) as error:
        return f"{type(error).__name__}"


async def tables(pool):
    await pool.execute("DROP TABLE IF EXISTS asyncpg_rows, asyncpg_types")
    await pool.execute("CREATE TABLE asyncpg_rows (id bigint PRIMARY KEY, name text, n int)")
    await pool.execute(
        "CREATE TABLE asyncpg_types (id bigint PRIMARY KEY, num numeric, at timestamptz, day date, span interval,"
        " doc jsonb, ints int[], words text[], raw bytea, tag uuid, f8 float8, yes boolean, r int4range, addr inet)"
    )
    await asyncio.gather(*[
        pool.execute("INSERT INTO asyncpg_rows VALUES ($1, $2, $3)", i, f"name {i}", i) for i in range(60)
    ])


async def types(pool):
    for i in range(3):
        await pool.execute(
            "INSERT INTO asyncpg_types VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)",
            i, decimal.Decimal("-12345678901234567890.0123456789"),
            dt.datetime(2024, 2, 29, 12, 30, 45, 123456, dt.timezone.utc), dt.date(9999, 12, 31),
            dt.timedelta(days=40, microseconds=7), json.dumps({"a": [1, None, "ü"]}), [1, None, -3],
            ["a,b", '"', "", None, "ü\\"], bytes(range(256)), uuid.UUID(int=2**127 + i), 1e-300, i % 2 == 0,
            asyncpg.Range(1, 5), "10.1.2.3",
        )
        say("row", dict(await pool.fetchrow("SELECT * FROM asyncpg_types WHERE id = $1", i)))
    async with pool.acquire() as c:
        statement = await c.prepare("SELECT * FROM asyncpg_types WHERE id = $1")
        say("parameters", [(t.name, t.oid) for t in statement.get_parameters()])
        say("attributes", [(a.name, a.type.name) for a in statement.get_attributes()], statement.get_statusmsg())
        await c.set_type_codec("jsonb", encoder=json.dumps, decoder=json.loads, schema="pg_catalog")
        say("codec", await c.fetchval("SELECT $1::jsonb", {"x": [1, {}]}))
        if SHARDED:  # A type of one's own has another OID on each shard.
            return
        # A type of the user's own, which asyncpg looks up in the catalogs.
        await c.execute("DROP TYPE IF EXISTS asyncpg_mood, asyncpg_pair")
        await c.execute("CREATE TYPE asyncpg_mood AS ENUM ('sad', 'glad')")
        await c.execute("CREATE TYPE asyncpg_pair AS (a int, b asyncpg_mood[])")
        say("own type", tuple(await c.fetchval("SELECT $1::asyncpg_pair", (7, ["glad", "sad"]))))
        await c.execute("DROP TYPE asyncpg_pair, asyncpg_mood")


async def prepared(pool):
    # More statements than a server's connection keeps, from all clients at once, in turns.
    async def one(i, turn):
        async with pool.acquire() as c:
            name = await c.fetchval(f"SELECT name FROM asyncpg_rows WHERE id = $1 AND {i} = {i}", i)
            return name == f"name {i}"
    for turn in range(3):
        say("prepared", all(await asyncio.gather(*[one(i, turn) for i in range(60)])))
    async with pool.acquire() as a, pool.acquire() as b:
        in_a, in_b = await a.prepare(ROW), await b.prepare(ROW)
        for i in range(20):
            x, y = await asyncio.gather(in_a.fetchrow(i), in_b.fetchrow(i + 1))
            if (x["id"], y["id"]) != (i, i + 1):
                say("mixed up", i, x, y)
        star = await a.prepare("SELECT * FROM asyncpg_rows WHERE id = $1")
        say("before", dict(await star.fetchrow(1)))
        await b.execute("ALTER TABLE asyncpg_rows ADD COLUMN more int DEFAULT 5")
        # Its hint is pgherd's own.
        say("after ALTER", (await tried(star.fetchrow(1))).split("\n")[0].split(" |")[0])
        say("anew", dict(await a.fetchrow("SELECT * FROM asyncpg_rows WHERE id = $1", 1)))
        await b.execute("ALTER TABLE asyncpg_rows DROP COLUMN more")
        say("dropped", dict(await a.fetchrow("SELECT * FROM asyncpg_rows WHERE id = $1", 1)))
        async with a.transaction():
            say("in one transaction", (await in_a.fetchrow(1))["name"], (await in_a.fetchrow(1))["n"])
        await a.reset()
        say("after reset", (await a.fetchrow(ROW, 3))["name"])


async def transactions(pool):
    async with pool.acquire() as a, pool.acquire() as b:
        async with a.transaction():
            await a.execute("UPDATE asyncpg_rows SET n = n + 100 WHERE id = 1")
            say("not seen yet", (await b.fetchrow(ROW, 1))["n"])
            inner = a.transaction()
            await inner.start()
            say("twice", await tried(a.execute("INSERT INTO asyncpg_rows VALUES (1, 'twice')")))
            say("failed", await tried(a.fetchrow(ROW, 1)))
            await inner.rollback()
            say("goes on", (await a.fetchrow(ROW, 1))["n"])
        say("seen", (await b.fetchrow(ROW, 1))["n"])
        for options in ({"isolation": "serializable", "readonly": True, "deferrable": True}, {"isolation": "repeatable_read"}):
            async with a.transaction(**options):
                say("level", await a.fetchval("SHOW transaction_isolation"), await a.fetchval("SHOW transaction_read_only"))
                if options.get("readonly"):
                    say("read only", await tried(a.execute("UPDATE asyncpg_rows SET n = 1 WHERE id = $1", 1)))
                    break
        say("after", a.is_in_transaction(), await a.fetchval("SELECT 1"))
        say("level again", await a.fetchval("SHOW transaction_isolation"))


async def cursors(pool):
    text = "SELECT g, name FROM asyncpg_rows, generate_series(1, 100) g WHERE id = $1 ORDER BY 1"
    async with pool.acquire() as a, pool.acquire() as b:
        async with a.transaction(), b.transaction():
            total = 0
            async for row in a.cursor(text, 1, prefetch=7):
                total += row["g"]
            say("prefetched", total)
            one, two = await a.cursor(text, 1), await b.cursor(text, 3)
            say("two", [tuple(r) for r in await one.fetch(2)], [tuple(r) for r in await two.fetch(3)])
            say("forward", await one.forward(10), tuple(await one.fetchrow()), tuple(await two.fetchrow()))
        say("without a transaction", await tried(a.cursor(text, 1)))


async def batches(pool):
    async with pool.acquire() as c:
        await c.executemany("INSERT INTO asyncpg_rows VALUES ($1, $2, $3)", [(i, f"many {i}", i) for i in range(2000, 3000)])
        say("many", await c.fetchval("SELECT count(*) FROM asyncpg_rows WHERE id >= 2000"))
        say("twice", await tried(c.executemany("INSERT INTO asyncpg_rows VALUES ($1)", [(9001,), (9002,), (2000,)])))
        say("nothing of it", await c.fetchval("SELECT count(*) FROM asyncpg_rows WHERE id > 9000"))
        rows = await c.fetchmany("DELETE FROM asyncpg_rows WHERE id = $1 RETURNING id", [(i,) for i in range(2000, 2010)])
        say("fetchmany", [r["id"] for r in rows])
        say("script", await c.execute("DELETE FROM asyncpg_rows WHERE id >= 2000; SELECT 1; SELECT 2"))


async def copies(pool):
    import io
    async with pool.acquire() as a, pool.acquire() as b:
        records = [(i, None if i % 7 == 0 else "ü\t\\" * (i % 50), i) for i in range(3000, 4000)]
        say("in", await a.copy_records_to_table("asyncpg_rows", records=records))
        out = io.BytesIO()
        say("out", await b.copy_from_query("SELECT * FROM asyncpg_rows WHERE id >= $1 ORDER BY id", 3990, output=out, format="csv"))
        say("csv", out.getvalue()[:200])
        say("table", await b.copy_from_table("asyncpg_rows", output=io.BytesIO(), format="binary"))
        bad = records[:500] + [(3000, "there", 1)]
        say("wrong", await tried(a.copy_records_to_table("asyncpg_rows", records=[(i + 10000, n, k) for i, n, k in records] + bad)))
        say("nothing of it", await a.fetchval("SELECT count(*) FROM asyncpg_rows WHERE id >= 10000"))
        say("deleted", await a.execute("DELETE FROM asyncpg_rows WHERE id >= 3000"))


async def cancels(pool):
    async with pool.acquire() as a, pool.acquire() as b:
        say("timeout", await tried(a.fetchval("SELECT pg_sleep(60)", timeout=2)))
        say("goes on", await a.fetchval("SELECT 1"), await b.fetchval("SELECT 2"))
        task = asyncio.ensure_future(a.fetchval(SLEEP))
        while not await b.fetchval(SLEEPS):
            await asyncio.sleep(0.05)
        task.cancel()
        try:
            await task
        except asyncio.CancelledError:
            say("cancelled")
        say("still", await a.fetchval("SELECT 3"))


async def settings(pool):
    c = await asyncpg.connect(DSN, server_settings={"application_name": "mine", "timezone": "Asia/Tokyo", "jit": "off"})
    for _ in range(5):
        say("own", await c.fetchval("SHOW timezone"), await pool.fetchval("SHOW timezone"), await c.fetchval("SHOW application_name"))
    said = []
    c.add_log_listener(lambda _, m: said.append((m.severity, m.sqlstate, m.message)))
    await c.execute("/* pgherd: shard=s1 */ DO $$ BEGIN RAISE WARNING 'hear %', 7; END $$")
    await asyncio.sleep(0.05)
    say("log", said, c.get_settings().TimeZone, c.get_server_version()[:1])
    await c.execute("SET timezone = 'UTC'")
    say("told", c.get_settings().TimeZone)
    await c.close()
    say("closed", c.is_closed())


async def notifications(pool):
    async with pool.acquire() as a, pool.acquire() as b:
        heard = asyncio.Queue()
        await a.add_listener("asyncpg_news", lambda connection, pid, channel, payload: heard.put_nowait((channel, payload)))
        for i in range(3):
            await b.execute(f"NOTIFY asyncpg_news, 'number {i}'")
        say("heard", [await asyncio.wait_for(heard.get(), 30) for _ in range(3)])
        say("listens", await a.fetchval("SELECT count(*) FROM pg_listening_channels()"))
        await a.reset()
        say("after reset", await a.fetchval("SELECT count(*) FROM pg_listening_channels()"))


async def errors(pool):
    for text in ("SELEC 1", "SELECT nothing", "SELECT 'x'::int", "SELECT * FROM nothing_there", "SELECT nothing()"):
        say(text, await tried(pool.fetch(text)), await tried(pool.execute(text)))
    say("two in one", await tried(pool.fetch("SELECT 1; SELECT $1::int", 1)))


async def main():
    async with asyncpg.create_pool(DSN, min_size=CLIENTS, max_size=CLIENTS, statement_cache_size=30) as pool:
        await tables(pool)
        for part in (types, prepared, transactions, cursors, batches, copies, cancels, settings, notifications, errors):
            print("==", part.__name__)
            await part(pool)
        await pool.execute("DROP TABLE asyncpg_rows, asyncpg_types")


asyncio.run(main())
