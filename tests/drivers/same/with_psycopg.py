"""psycopg 3: see README.md."""

import datetime as dt
import decimal
import threading
import time
import uuid

import psycopg
from common import CLIENTS, DSN, SHARDED, SLEEP, SLEEPS, say
from psycopg import sql
from psycopg.rows import dict_row
from psycopg.types.json import Json, Jsonb


def connect(**options):
    return psycopg.connect(DSN, **{"autocommit": True, **options})


def tried(run, *arguments, **options):
    try:
        return run(*arguments, **options)
    except psycopg.Error as error:
        d = error.diag
        return f"error {error.sqlstate} {d.message_primary} | {d.message_detail} | {d.message_hint} | {d.statement_position}"


def tables(conn):
    conn.execute("DROP TABLE IF EXISTS psycopg_rows, psycopg_types")
    conn.execute("CREATE TABLE psycopg_rows (id bigint PRIMARY KEY, name text, n int)")
    conn.execute(
        "CREATE TABLE psycopg_types (id bigint PRIMARY KEY, num numeric, at timestamptz, day date, span interval,"
        " doc json, docb jsonb, ints int[], words text[], raw bytea, tag uuid, f8 float8, yes boolean,"
        " r int4range, addr inet)"
    )
    conns = [connect() for _ in range(CLIENTS)]
    for i in range(60):
        conns[i % CLIENTS].execute("INSERT INTO psycopg_rows VALUES (%s, %s, %s)", (i, f"name {i}", i))
    return conns


def types(conns):
    for i, binary in enumerate((False, True)):
        values = (
            i, decimal.Decimal("12345678901234567890.0123456789"),
            dt.datetime(2024, 2, 29, 12, 30, 45, 123456, dt.timezone.utc), dt.date(1, 1, 1),
            dt.timedelta(days=400, microseconds=7), Json({"a": [1, None, "ü"]}), Jsonb({"b": {"c": 1.5}}),
            [1, None, -3], ["a,b", '"', "", None, "ü\\"], bytes(range(256)), uuid.UUID(int=2**127 + i), 1e-300, True,
            psycopg.types.range.Range(1, 5), "10.1.2.3/32",
        )
        mark = "%b" if binary else "%t"
        marks = ", ".join([mark] * 14 + ["%t::inet"])
        conns[i].execute(f"INSERT INTO psycopg_types VALUES ({marks})", values)
    for conn in conns:
        for binary in (False, True):
            for i in (0, 1):
                cur = conn.cursor(binary=binary)
                cur.execute("SELECT * FROM psycopg_types WHERE id = %s", (i,))
                say(f"types {binary}", cur.fetchone())
                say("described", [(c.name, c.type_code, c.internal_size) for c in cur.description])
    say("special", conns[0].execute("SELECT 'NaN'::numeric, 'infinity'::float8, ''::bytea, '{}'::int[], NULL").fetchone())


def prepared(conns):
    # More statements than a server's connection keeps (pool.prepared_statements), in turns.
    for turn in range(3):
        for i in range(60):
            conn = conns[(i + turn) % CLIENTS]
            row = conn.execute(f"SELECT {i}, name FROM psycopg_rows WHERE id = %s", (i,), prepare=True).fetchone()
            if row != (i, f"name {i}"):
                say("prepared", turn, i, row)
    conn = conns[0]
    for _ in range(10):
        last = [c.execute("SELECT name FROM psycopg_rows WHERE id = %s", (7,)).fetchone() for c in conns]
    say("prepared by count", last)
    # DDL under a prepared statement whose results were never described: Postgres refuses the old
    # plan, pgherd may prepare anew. Both are right.
    for c in conns:
        c.execute("SELECT * FROM psycopg_rows WHERE id = %s", (1,), prepare=True)
    conns[-1].execute("ALTER TABLE psycopg_rows ADD COLUMN more int DEFAULT 5")
    for c in conns[:2]:
        got = tried(lambda: c.execute("SELECT * FROM psycopg_rows WHERE id = %s", (1,), prepare=True).fetchone())
        say("after ALTER", got == (1, "name 1", 1, 5) or got.startswith("error 0A000 cached plan must not change"))
    for c in conns:
        c.execute("DEALLOCATE ALL")
        c._prepared.clear()
    say("after DEALLOCATE", conn.execute("SELECT * FROM psycopg_rows WHERE id = %s", (1,), prepare=True).fetchone())
    conn.execute("ALTER TABLE psycopg_rows DROP COLUMN more")
    conn.execute("DISCARD ALL")
    conn._prepared.clear()
    say("after DISCARD", conn.execute("SELECT name FROM psycopg_rows WHERE id = %s", (2,), prepare=True).fetchone())
    say("SQL's DEALLOCATE", tried(conn.execute, "DEALLOCATE nothing_there"))


def transactions(conns):
    a, b = conns[:2]
    with a.transaction():
        a.execute("UPDATE psycopg_rows SET n = n + 100 WHERE id = 1")
        say("not seen yet", b.execute("SELECT n FROM psycopg_rows WHERE id = 1").fetchone())
        try:
            with a.transaction():
                a.execute("INSERT INTO psycopg_rows VALUES (1, 'twice')")
        except psycopg.errors.UniqueViolation as error:
            say("savepoint", error.sqlstate, error.diag.constraint_name, error.diag.message_detail)
        say("goes on", a.execute("SELECT n FROM psycopg_rows WHERE id = 1").fetchone())
    say("seen", b.execute("SELECT n FROM psycopg_rows WHERE id = 1").fetchone())
    with connect(autocommit=False) as c:
        say("status", c.info.transaction_status.name)
        say("wrong", tried(c.execute, "SELECT 1/(id - 1) FROM psycopg_rows WHERE id = 1"), c.info.transaction_status.name)
        say("failed", tried(c.execute, "SELECT 1"), c.info.transaction_status.name)
        say("syntax in failed", tried(c.execute, "SELEC"))
        c.rollback()
        say("after", c.info.transaction_status.name, c.execute("SELECT 1").fetchone())
        c.rollback()
        c.isolation_level = psycopg.IsolationLevel.SERIALIZABLE
        c.read_only = True
        say("level", c.execute("SHOW transaction_isolation").fetchone(), c.execute("SHOW transaction_read_only").fetchone())
        say("read only", tried(c.execute, "UPDATE psycopg_rows SET n = 1 WHERE id = 1"))
    # Both at once, one waits for the other.
    with a.transaction():
        a.execute("SELECT 1 FROM psycopg_rows WHERE id = 3 FOR UPDATE")
        say("nowait", tried(b.execute, "SELECT 1 FROM psycopg_rows WHERE id = 3 FOR UPDATE NOWAIT"))
        say("skip", b.execute("SELECT 1 FROM psycopg_rows WHERE id = 3 FOR UPDATE SKIP LOCKED").fetchall())


def pipelines(conns):
    c = conns[0]
    with c.pipeline() as p:
        got = [c.execute("SELECT %s::int + n FROM psycopg_rows WHERE id = 5", (i,)) for i in range(50)]
        p.sync()
        more = c.execute("SELECT name FROM psycopg_rows WHERE id = %s", (9,))
    say("pipeline", [cur.fetchone()[0] for cur in got], more.fetchone())
    try:
        with c.pipeline() as p:
            c.execute("INSERT INTO psycopg_rows VALUES (1000, 'p')")
            bad = c.execute("INSERT INTO psycopg_rows VALUES (5, 'p')")
            after = c.execute("SELECT 1")
            p.sync()
    except psycopg.Error as error:
        say("pipeline's error", error.sqlstate)
    say("nothing stays", c.execute("SELECT name FROM psycopg_rows WHERE id = 1000").fetchall())
    with c.pipeline():
        with c.transaction():
            c.execute("INSERT INTO psycopg_rows VALUES (1001, 'p')")
            cur = c.execute("SELECT name FROM psycopg_rows WHERE id = 1001")
    say("transaction in a pipeline", cur.fetchone())
    cur = c.cursor()
    cur.executemany(
        "INSERT INTO psycopg_rows VALUES (%s, %s) RETURNING name", [(2000 + i, f"m{i}") for i in range(5)], returning=True)
    names = []
    while True:
        names += cur.fetchall()
        if not cur.nextset():
            break
    say("many", names)
    for i in range(2000, 2005):
        c.execute("DELETE FROM psycopg_rows WHERE id = %s", (i,))
    c.execute("DELETE FROM psycopg_rows WHERE id = 1001")


def cursors(conns):
    text = "SELECT g, name FROM psycopg_rows, generate_series(1, 100) g WHERE id = %s ORDER BY 1"
    with connect(autocommit=False) as c, connect(autocommit=False) as d:
        one, two = c.cursor(name="one"), d.cursor(name="one")
        one.itersize = two.itersize = 7
        one.execute(text, (1,))
        two.execute(text, (2,))
        say("interleaved", sum(a[0] - b[0] for a, b in zip(one, two)))
        scroll = c.cursor(name="two", scrollable=True)
        scroll.execute(text, (3,))
        scroll.scroll(50, mode="absolute")
        say("scroll", scroll.fetchone(), scroll.fetchmany(3))
        scroll.scroll(-10)
        say("back", scroll.fetchone())
        c.commit()
        say("gone", tried(scroll.fetchone))
        c.rollback()
        if not SHARDED:  # WITH HOLD
            held = c.cursor(name="held", withhold=True)
            held.execute(text, (4,))
            c.commit()
            say("held", held.fetchmany(3), conns[1].execute("SELECT 1").fetchone(), held.fetchmany(2))
            held.close()
            c.commit()
    rows = conns[2].cursor().stream(text, (5,))
    say("stream", sum(row[0] for row in rows))
    cur = conns[0].cursor(row_factory=dict_row)
    say("dict", cur.execute("SELECT id, name FROM psycopg_rows WHERE id = 1").fetchone())
    cur = conns[0].execute("SELECT 1 AS a; SELECT 'x' AS b, 2 AS c; SELECT 3 WHERE false")
    say("sets", cur.fetchall(), cur.nextset(), cur.fetchall(), cur.nextset(), cur.fetchall(), cur.nextset())


def copies(conns):
    a, b = conns[0], conns[1]
    say("copy out", [bytes(x) for x in a.cursor().copy("COPY (SELECT id, name FROM psycopg_rows WHERE id = 4) TO STDOUT (FORMAT csv, HEADER)").__enter__()])
    for binary in ("text", "binary"):
        with a.cursor().copy(f"COPY psycopg_rows (id, name, n) FROM STDIN (FORMAT {binary})") as copy:
            copy.set_types(["int8", "text", "int4"])
            for i in range(3000, 3500):
                copy.write_row((i, None if i % 7 == 0 else "ü\t\\" * (i % 50), i))
        with b.cursor().copy(f"COPY (SELECT id, name, n FROM psycopg_rows WHERE id >= 3000 ORDER BY id) TO STDOUT (FORMAT {binary})") as copy:
            copy.set_types(["int8", "text", "int4"])
            rows = list(copy.rows())
        say(f"copied {binary}", len(rows), rows[:10], hash(str(rows)) == hash(str(rows)))
        say("deleted", a.execute("DELETE FROM psycopg_rows WHERE id >= 3000").rowcount)

    def wrong(kind):
        with a.cursor().copy("COPY psycopg_rows FROM STDIN") as copy:
            for i in range(5000):
                copy.write(f"{4000 + i}\tx\t{'no number' if kind == 'bad' and i == 2000 else i}\n")
            if kind == "mine":
                raise RuntimeError("given up")
    say("wrong copy", tried(wrong, "bad"))
    try:
        wrong("mine")
    except RuntimeError as error:
        say("given up", str(error))
    say("nothing", a.execute("SELECT count(*) FROM psycopg_rows WHERE id >= 4000").fetchone())
    say("no table", tried(lambda: list(a.cursor().copy("COPY nothing_there TO STDOUT").__enter__())))
    with b.cursor().copy("COPY (SELECT repeat('x', 1000) FROM generate_series(1, 5000)) TO STDOUT") as copy:
        say("large", sum(len(part) for part in copy))


def cancels(conns):
    a, b = conns[:2]

    def cancel():
        while not b.execute(SLEEPS).fetchone()[0]:
            time.sleep(0.05)
        a.cancel_safe(timeout=60)
    thread = threading.Thread(target=cancel)
    thread.start()
    say("cancelled", tried(a.execute, SLEEP))
    thread.join()
    say("goes on", a.execute("SELECT 1").fetchone(), b.execute("SELECT 2").fetchone())
    a.cancel_safe()
    say("idle", a.execute("SELECT 1").fetchone())
    a.execute("SET statement_timeout = '50ms'")
    say("timeout", tried(a.execute, "SELECT pg_sleep(60)"))
    a.execute("RESET statement_timeout")


def settings(conns):
    with connect(application_name="mine", options="-c work_mem=5MB -c timezone=Asia/Tokyo") as a:
        for b in conns:
            say("own", a.execute("SHOW work_mem").fetchone(), a.execute("SHOW timezone").fetchone(),
                a.execute("SHOW application_name").fetchone(), b.execute("SHOW work_mem").fetchone(), b.execute("SHOW timezone").fetchone())
        a.execute("SET datestyle = 'German, DMY'")
        say("told", a.info.parameter_status("DateStyle"), a.info.parameter_status("TimeZone"), a.info.parameter_status("server_version"))
        # In two parts, of which each leaves the other.
        a.execute("SET datestyle = 'YMD'")
        for b in conns:
            say("date", b.execute("SHOW datestyle").fetchone(), a.execute("SHOW datestyle").fetchone())
        say("date", a.execute("SELECT '2024-02-01'::date::text").fetchone())
        a.execute("SET client_encoding = 'LATIN1'")
        say("latin1", a.info.encoding, a.execute("SELECT 'ü', length(%s), octet_length('ü')", ("äö",)).fetchone(), tried(a.execute, "SELECT U&'\\20AC'"))
        a.execute("RESET client_encoding")
        # For the session only SET, where tables are sharded.
        a.execute("SET work_mem = '6MB'" if SHARDED else "SELECT set_config('work_mem', '6MB', false)")
        say("set_config", a.execute("SHOW work_mem").fetchone(), conns[0].execute("SHOW work_mem").fetchone())
        a.execute("RESET ALL")
        say("reset", a.execute("SHOW work_mem").fetchone(), a.execute("SHOW timezone").fetchone())
    notices = []
    c = conns[0]
    c.add_notice_handler(lambda d: notices.append((d.severity, d.sqlstate, d.message_primary)))
    c.execute("DROP TABLE IF EXISTS psycopg_nothing")
    c.execute("/* pgherd: shard=s1 */ DO $$ BEGIN RAISE WARNING 'hear %', 7; END $$")
    say("notices", notices)


def refused_by_the_server(conns):
    for text in ("SELEC 1", "SELECT nothing", "SELECT 'x'::int", "SELECT * FROM nothing_there", "SELECT nothing()", ""):
        for prepare in (False, True):
            say(text, tried(lambda: conns[0].execute(text, prepare=prepare).statusmessage))
    say("types that don't fit", tried(conns[0].execute, "SELECT %s + 1 FROM psycopg_rows WHERE id = 1", ("x",)))
    say("two in one", tried(conns[0].execute, "SELECT 1; SELECT 2 WHERE 1 = %s", (1,)))


def one_session(conns):
    """What belongs to a session, and so keeps a connection."""
    a, b = conns[:2]
    if not SHARDED:  # EXPLAIN has a line more, and temporary tables need a hint.
        say("EXPLAIN", a.execute("EXPLAIN (COSTS off) SELECT count(*) FROM psycopg_rows").fetchall())
        a.execute("CREATE TEMP TABLE psycopg_temp (a int)")
        a.execute("INSERT INTO psycopg_temp VALUES (1), (2)")
        say("temporary", a.execute("SELECT sum(a) FROM psycopg_temp").fetchone(), tried(b.execute, "SELECT * FROM psycopg_temp"))
    a.execute("LISTEN psycopg_news")
    for i in range(3):
        b.execute("SELECT pg_notify('psycopg_news', %s)", (f"number {i}",))
    say("heard", [(n.channel, n.payload) for n in a.notifies(timeout=30, stop_after=3)])
    a.execute("UNLISTEN *")
    a.execute("SELECT pg_advisory_lock(7001)")
    say("locked", b.execute("SELECT pg_try_advisory_lock(7001)").fetchone(), a.execute("SELECT pg_advisory_unlock(7001)").fetchone())
    a.execute("PREPARE plan (int) AS SELECT $1 + 1")
    say("SQL's PREPARE", a.execute("EXECUTE plan (4)").fetchone(), tried(b.execute, "EXECUTE plan (4)"))
    a.execute("DISCARD ALL")
    say("discarded", tried(a.execute, "SELECT * FROM psycopg_temp"), tried(a.execute, "EXECUTE plan (4)"))


with connect() as first:
    CONNS = tables(first)
    for part in (types, prepared, transactions, pipelines, cursors, copies, cancels, settings, refused_by_the_server):
        print("==", part.__name__)
        part(CONNS)
    print("== one_session")
    one_session(CONNS)
    for conn in CONNS:
        conn.close()
    first.execute("DROP TABLE psycopg_rows, psycopg_types")
