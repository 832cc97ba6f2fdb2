"""psycopg 3 against pgherd: what an application does, each answer checked.

PGHERD_DSN leads to a database under sharding-rules/social.yaml, whose tables this makes and drops.
Ends with exit code 0 and one line, or with a traceback.
"""

import os
import sys
import threading
import time

import psycopg
from psycopg import errors, sql
from psycopg.rows import dict_row

DSN = os.environ["PGHERD_DSN"]


def connect(**options):
    return psycopg.connect(DSN, **{"autocommit": True, **options})


def raises(code, run, *arguments):
    try:
        run(*arguments)
    except psycopg.Error as error:
        assert error.sqlstate == code, (error.sqlstate, str(error))
        return error
    raise AssertionError(f"{arguments} was answered, not refused with {code}")


def make_tables(c):
    c.execute("DROP TABLE IF EXISTS posts")
    c.execute("DROP TABLE IF EXISTS users")
    c.execute("CREATE TABLE users (id bigint PRIMARY KEY, name text NOT NULL, born date)")
    c.execute("CREATE TABLE posts (user_id bigint, id bigint, body text, PRIMARY KEY (user_id, id))")


def rows_and_types(c):
    for i in range(1, 41):
        c.execute("INSERT INTO users VALUES (%s, %s, %s)", (i, f"n{i}", "2000-01-01"))
    for i in range(1, 41):
        for binary in (False, True):
            cur = c.cursor(binary=binary)
            row = cur.execute("SELECT id, name, born::text FROM users WHERE id = %s", (i,)).fetchone()
            assert row == (i, f"n{i}", "2000-01-01"), row
    cur = c.cursor(row_factory=dict_row)
    assert cur.execute("SELECT name FROM users WHERE id = 7").fetchone() == {"name": "n7"}
    # Each row lies on one shard only.
    seen = 0
    for shard in ("s1", "s2", "s3"):
        seen += c.execute(f"/* pgherd: shard={shard} */ SELECT count(*) FROM users").fetchone()[0]
    assert seen == 40, seen


def prepared(c):
    # psycopg prepares after five runs.
    for i in range(1, 41):
        assert c.execute("SELECT name FROM users WHERE id = %b", (i,)).fetchone() == (f"n{i}",)
    cur = c.cursor()
    for i in range(1, 21):
        cur.execute("SELECT id FROM users WHERE id = %s", (i,), prepare=True)
        assert cur.fetchone() == (i,)
    c.execute("DEALLOCATE ALL")
    cur.execute("SELECT 1 WHERE %s::int = 1", (1,), prepare=True)


def transactions(c):
    with c.transaction():
        c.execute("UPDATE users SET name = 'x' WHERE id = 1")
        try:
            with c.transaction():
                c.execute("INSERT INTO users VALUES (1, 'twice')")
        except errors.UniqueViolation:
            pass
        assert c.execute("SELECT name FROM users WHERE id = 1").fetchone() == ("x",)
    try:
        with c.transaction():
            c.execute("UPDATE users SET name = 'gone' WHERE id = 1")
            raise RuntimeError
    except RuntimeError:
        pass
    assert c.execute("SELECT name FROM users WHERE id = 1").fetchone() == ("x",)
    # Another shard takes part in the same transaction.
    there = {i: shard_of(c, i) for i in range(1, 20)}
    other = next(i for i in there if there[i] != there[1])
    with connect(autocommit=False) as t:
        t.execute("UPDATE users SET name = 'y' WHERE id = 1")
        t.execute("UPDATE users SET name = 'y' WHERE id = %s", (other,))
        names = "SELECT count(*) FROM users WHERE name = 'y'"
        assert t.execute(names).fetchone() == (2,)
        t.execute("SAVEPOINT a")
        raises("22012", t.execute, "UPDATE users SET name = 1 / 0 WHERE id = 1")
        raises("25P02", t.execute, "SELECT 1")
        t.execute("ROLLBACK TO a")
        assert t.execute(names).fetchone() == (2,)
        assert c.execute(names).fetchone() == (0,)
        t.rollback()
        assert t.execute("SELECT name FROM users WHERE id = 1").fetchone() == ("x",)
        assert t.execute(names).fetchone() == (0,)
        t.rollback()


def shard_of(c, i):
    line = c.execute(f"EXPLAIN SELECT * FROM users WHERE id = {i}").fetchone()[0]
    assert line.startswith("pgherd: shard s"), line
    return line.split()[2]


def lazy_begin(c):
    with connect(autocommit=False) as t:
        t.execute("SET LOCAL work_mem = '7MB'")
        t.execute("SAVEPOINT a")
        t.execute("SET LOCAL work_mem = '8MB'")
        t.execute("ROLLBACK TO a")
        t.execute("SELECT name FROM users WHERE id = 9")
        assert t.execute("SHOW work_mem").fetchone() == ("7MB",)
        t.commit()
        assert t.execute("SHOW work_mem").fetchone() == ("4MB",)
        t.rollback()
        raises("22023", t.execute, "SET work_mem = 'nonsense'")
        raises("25P02", t.execute, "SELECT name FROM users WHERE id = 9")
        t.rollback()


def pipelines(c):
    here = shard_of(c, 1)
    same = [i for i in range(1, 41) if shard_of(c, i) == here][:8]
    with c.pipeline() as p:
        results = [c.execute("SELECT id FROM users WHERE id = %s", (i,)) for i in same]
    assert [r.fetchone()[0] for r in results] == same
    # With a Sync between them each goes where it belongs.
    with c.pipeline() as p:
        results = []
        for i in range(1, 21):
            results.append(c.execute("SELECT id FROM users WHERE id = %s", (i,)))
            p.sync()
    assert [r.fetchone()[0] for r in results] == list(range(1, 21))
    # Several shards in one implicit transaction: all of it, or nothing.
    other = next(i for i in range(1, 41) if shard_of(c, i) != here)
    def names():
        read = "SELECT name FROM users WHERE id = %s"
        return [c.execute(read, (i,)).fetchone()[0] for i in (same[1], other)]
    try:
        with c.pipeline():
            c.execute("UPDATE users SET name = 'p' WHERE id = %s", (same[1],))
            c.execute("UPDATE users SET name = 'p' WHERE id = %s", (other,))
            c.execute("UPDATE users SET name = 1 / 0 WHERE id = %s", (other,))
        raise AssertionError("answered")
    except psycopg.errors.DivisionByZero:
        pass
    assert names() == [f"n{same[1]}", f"n{other}"], names()
    with c.pipeline():
        c.execute("UPDATE users SET name = 'p' WHERE id = %s", (same[1],))
        c.execute("UPDATE users SET name = 'p' WHERE id = %s", (other,))
    assert names() == ["p", "p"], names()
    c.execute("UPDATE users SET name = 'n' || id WHERE id = %s", (same[1],))
    c.execute("UPDATE users SET name = 'n' || id WHERE id = %s", (other,))
    # After an error the rest is skipped up to Sync, and the next goes on.
    with c.pipeline() as p:
        bad = c.cursor()
        bad.execute("SELECT 1 / (id - id) FROM users WHERE id = %s", (same[0],))
        try:
            p.sync()
            bad.fetchone()
            raise AssertionError("answered")
        except psycopg.errors.DivisionByZero:
            pass
        assert c.execute("SELECT id FROM users WHERE id = %s", (same[0],)).fetchone() == (same[0],)


def many(c):
    here = shard_of(c, 1)
    same = [i for i in range(1, 41) if shard_of(c, i) == here]
    rows = [(same[0], n, "b" * n) for n in range(200)]
    c.cursor().executemany("INSERT INTO posts VALUES (%s, %s, %s)", rows)
    got = c.execute("SELECT id, body FROM posts WHERE user_id = %s ORDER BY id", (same[0],)).fetchall()
    assert got == [(n, "b" * n) for n in range(200)]


def copies(c):
    with c.cursor().copy("COPY (SELECT id, body FROM posts WHERE user_id = 1 ORDER BY id) TO STDOUT") as copy:
        out = b"".join(bytes(b) for b in copy)
    assert out.count(b"\n") == 200 and out.startswith(b"0\t\n1\tb\n")
    big = "z" * 100_000
    with c.cursor().copy("/* pgherd: key=1 */ COPY posts FROM STDIN") as copy:
        for n in range(1000, 1100):
            copy.write_row((1, n, big))
    n, size = c.execute("SELECT count(*), sum(length(body)) FROM posts WHERE user_id = 1 AND id >= 1000").fetchone()
    assert (n, size) == (100, 100 * len(big))
    # An error in the middle, and one of the client's own.
    def broken():
        with c.cursor().copy("/* pgherd: key=1 */ COPY posts FROM STDIN") as copy:
            for n in range(2000, 4000):
                copy.write_row((1, n if n != 2500 else "no number", "x"))
    raises("22P02", broken)
    try:
        with c.cursor().copy("/* pgherd: key=1 */ COPY posts FROM STDIN") as copy:
            copy.write_row((1, 9999, "x"))
            raise RuntimeError("mine")
    except RuntimeError:
        pass
    assert c.execute("SELECT count(*) FROM posts WHERE user_id = 1 AND id >= 2000").fetchone() == (0,)
    # Rows of many users, each to its shard, or none of them.
    users = range(2, 42)
    with c.cursor().copy("COPY posts FROM STDIN") as copy:
        for u in users:
            copy.write_row((u, 5000, f"of {u}"))
    with c.cursor().copy("COPY posts (body, id, user_id) FROM STDIN (FORMAT binary)") as copy:
        copy.set_types(["text", "int8", "int8"])
        for u in users:
            copy.write_row((f"of {u}", 5001, u))
    for u in users:
        got = c.execute("SELECT id, body FROM posts WHERE user_id = %s AND id >= 5000 ORDER BY id", (u,)).fetchall()
        assert got == [(5000, f"of {u}"), (5001, f"of {u}")], got
    def spread():
        with c.transaction(), c.cursor().copy("COPY posts FROM STDIN") as copy:
            for u in users:
                copy.write_row((u, 6000 if u != 30 else 5000, "x"))
    raises("23505", spread)
    assert c.execute("SELECT count(*) FROM posts WHERE id = 6000").fetchone() == (0,)
    with c.cursor().copy("COPY posts (user_id, id) TO STDOUT") as copy:
        got = sorted(tuple(map(int, bytes(row).split())) for row in copy)
    assert [row for row in got if row[1] == 5000] == [(u, 5000) for u in users]
    # A large result is streamed, and cut off in the middle without harm.
    with connect() as d:
        with d.cursor().copy("COPY (SELECT body FROM posts WHERE user_id = 1) TO STDOUT") as copy:
            copy.read()
            d.cancel()
            try:
                for _ in copy:
                    pass
            except errors.QueryCanceled:
                pass
    cur = c.cursor()
    total = sum(len(r[0]) for r in cur.stream("SELECT body FROM posts WHERE user_id = %s", (1,)))
    assert total == 100 * len(big) + sum(range(200))


def cursors(c):
    with connect(autocommit=False) as t:
        with t.cursor(name="some") as cur:
            cur.itersize = 50
            cur.execute("SELECT id FROM posts WHERE user_id = %s AND id < 200 ORDER BY id", (1,))
            assert [r[0] for r in cur] == list(range(200))


def cancels(c):
    with connect() as busy, connect() as other:
        started = time.monotonic()
        threading.Timer(0.3, busy.cancel).start()
        raises("57014", busy.execute, "SELECT pg_sleep(20)")
        assert time.monotonic() - started < 10
        # A cancel while nothing runs hits nobody.
        busy.cancel()
        assert other.execute("SELECT pg_sleep(0.2)").fetchone() is not None
        assert busy.execute("SELECT 1").fetchone() == (1,)


def settings(c):
    with connect(options="-c work_mem=5MB", application_name="mine") as a, connect() as b:
        assert a.execute("SHOW work_mem").fetchone() == ("5MB",)
        assert a.info.parameter_status("application_name") == "mine"
        a.execute("SET TimeZone = 'Asia/Tokyo'")
        assert a.info.parameter_status("TimeZone") == "Asia/Tokyo"
        for n in range(20):
            assert b.execute("SHOW TimeZone").fetchone() == ("UTC",)
            assert b.execute("SHOW application_name").fetchone() == ("",)
            assert b.execute("SHOW work_mem").fetchone() == ("4MB",)
            assert a.execute("SHOW TimeZone").fetchone() == ("Asia/Tokyo",)
            assert a.execute("SHOW application_name").fetchone() == ("mine",)
        a.execute("SET work_mem = '9MB'")
        a.execute("RESET work_mem")
        assert a.execute("SHOW work_mem").fetchone() == ("5MB",)
        a.execute("SET work_mem = '9MB'")
        a.execute("RESET ALL")
        assert a.execute("SHOW work_mem").fetchone() == ("5MB",)
        assert a.info.parameter_status("TimeZone") == "UTC"
        # By the extended protocol, and in one transaction.
        a.execute("SET work_mem = '9MB'", prepare=True)
        a.execute("RESET work_mem", prepare=True)
        assert a.execute("SHOW work_mem", prepare=True).fetchone() == ("5MB",)
        with a.transaction():
            a.execute("SET work_mem = '9MB'", prepare=True)
            a.execute("SELECT 1 FROM users WHERE id = %s", (1,))
            a.execute("RESET ALL", prepare=True)
            assert a.execute("SHOW work_mem", prepare=True).fetchone() == ("5MB",)
        assert a.execute("SHOW work_mem", prepare=True).fetchone() == ("5MB",)
        a.execute("SET ROLE pg_monitor")
        assert a.execute("SELECT current_user").fetchone() == ("pg_monitor",)
        assert b.execute("SELECT current_user").fetchone() == ("pgherd",)
        a.execute("RESET ROLE")
        a.autocommit = False
        a.execute("SET TimeZone = 'Asia/Tokyo'")
        a.rollback()
        assert a.execute("SHOW TimeZone").fetchone() == ("UTC",)
        assert a.info.parameter_status("TimeZone") == "UTC"
        a.rollback()
    # libpq gives no code for an error of a connection.
    error = raises(None, lambda: connect(options="-c work_mem=nonsense"))
    assert 'invalid value for parameter "work_mem"' in str(error)


def refusals(c):
    for text in (
        "SELECT * FROM users FOR UPDATE",
        "SELECT * FROM users WHERE id = 1 OR name = 'x' FOR UPDATE",
        "CREATE TEMP TABLE t (a int)",
        "DECLARE c CURSOR WITH HOLD FOR SELECT 1",
    ):
        error = raises("0A000", c.execute, text)
        assert error.diag.message_hint, text
        raises("0A000", lambda: c.execute(text, (), prepare=True))


def drivers_own_queries(c):
    info = psycopg.types.TypeInfo.fetch(c, "hstore")
    assert info is None
    assert psycopg.types.TypeInfo.fetch(c, "int8").oid == 20
    assert c.execute(sql.SQL("SELECT {} FROM users WHERE id = 2").format(sql.Identifier("name"))).fetchone() == ("n2",)
    cur = c.execute("SELECT 1; SELECT 2")
    assert cur.fetchone() == (1,) and cur.nextset() and cur.fetchone() == (2,)


with connect() as connection:
    make_tables(connection)
    for test in (rows_and_types, prepared, transactions, lazy_begin, pipelines, many, copies,
                 cursors, cancels, settings, refusals, drivers_own_queries):
        try:
            test(connection)
        except BaseException:
            print("in", test.__name__, file=sys.stderr)
            raise
    connection.execute("DROP TABLE posts")
    connection.execute("DROP TABLE users")
print("psycopg", psycopg.__version__, "passed")
