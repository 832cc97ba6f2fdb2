"""One plain Postgres, the twin, holds the same rows as three shards behind pgherd; each
statement is run on both, and what a client sees has to be the same: rows, types, command tags,
errors, the state of the transaction. What one shard can't answer has to be refused, and is
marked as such.

`statements.sql`: a statement a line, `-- refused` behind it where pgherd refuses it. Each runs in
a transaction of its own, which is rolled back, by the simple and by the extended protocol.
`sessions.txt`: a session a line, its texts divided by ` | `.

Connection by the PG… variables; PGHERD_NODE_PORT is a server on which the twin is made, as a
database of its own. With PGHERD_BLESS, `statements.sql` is written anew.
"""

import os
import pathlib
import sys
import uuid

import psycopg
from psycopg import pq

HERE = pathlib.Path(__file__).parent
PROXY = (os.environ["PGPORT"], "app")
TWIN = (os.environ["PGHERD_NODE_PORT"], "twin")
REPORTED = [b"client_encoding", b"DateStyle", b"TimeZone", b"application_name", b"IntervalStyle",
            b"session_authorization", b"standard_conforming_strings",
            b"default_transaction_read_only"]  # fmt: skip
# From here on, oids are those of objects that users made: each server has its own.
FIRST_USER_OID = 16384


def connect(side, database=None):
    port, name = side
    return psycopg.connect(
        host="127.0.0.1", port=port, dbname=database or name, user="pgherd", password="pgherd",
        connect_timeout=10, autocommit=True,
    )  # fmt: skip


def rows():
    """The statements that fill both sides: one row each, so that each has a shard."""

    def insert(table, *values):
        def written(value):
            if isinstance(value, str):
                return "'" + value.replace("'", "''") + "'"
            return str(value)

        return f"INSERT INTO {table} VALUES ({', '.join(map(written, values))})"

    codes = ["de", "fr", "us"]
    for i in [*range(-3, 60), 100, 200, 9007199254740993]:
        yield insert("users", i, f"user {i}", i % 7, codes[i % 3], i + 0.5)
        yield insert("s2.users", i, f"s2 {i}")
        for j in range(1, 1 + i % 4):
            yield insert("posts", i, j, f"post {i}/{j}", i + j + 0.25, bool(j % 2))
    for i in range(-1, 50):
        yield insert('"Mixed"', i, i + 1, f"M {i}")
        yield insert("parted", i, i * 7 % 100)
        yield insert("vc", i, f"n{i}", f"c{i}", f"nm{i}")
        yield insert("small", i, i, i, i + 0.5, i + 0.5, str(i))
        if i > 0:
            yield insert("dk", i, i * 3)
    yield insert("booked", 42, "[1,5)")
    for a in range(-1, 12):
        for b in ["x", "y", "Z", "ü", "q'q", " "]:
            yield insert("orgs", a, b, a * 10)
            for n in range(1 + a % 2):
                yield insert("items", a, b, n)
    for day in ["2024-12-31", "2025-01-01", "2025-06-01", "2025-12-31", "2026-01-01",
                "2026-03-04", "2026-04-03", "2099-01-01"]:  # fmt: skip
        yield insert("events", day, 1)
        yield insert("events", day, 2)
    for i, name in enumerate(["a", "A", "b", "abc", "abc ", "ABC", "ä", "42", "042", " 42",
                              "null", "NULL", "it's", "back\\slash", "x" * 40]):  # fmt: skip
        yield insert("names", name, i)
        if len(name) <= 5:
            yield insert("vnames", name, i)
    for i, n in enumerate(["0", "1", "1.5", "-2", "42.10", "1e10", "NaN", "9007199254740993",
                           "0.1", "100"]):  # fmt: skip
        yield insert("nums", n, i)
    for i, t in enumerate(["2025-01-01 00:00:00+00", "2025-01-01 12:00:00+00",
                           "2025-06-01 10:00:00+02", "2026-02-03 04:05:06.789+00"]):  # fmt: skip
        yield insert("tss", t, i)
    for i in range(12):
        yield insert("uus", str(uuid.UUID(int=i * 77777777777)), i)
    for i in range(5):
        yield insert("settings", f"s{i}", f"v{i}")


def fill():
    connect(TWIN, "postgres").execute("CREATE DATABASE twin")
    schema = [part for part in (HERE / "schema.sql").read_text().split(";\n") if part.strip()]
    countries = [f"INSERT INTO countries VALUES ('{c}', '{c.upper()}land')" for c in ("de", "fr", "us")]
    for side in PROXY, TWIN:
        pg = connect(side).pgconn
        loaded = [*schema, *rows()]
        if side is PROXY:
            shards = "s1", "s2", "s3"
            loaded += [f"{c} /* pgherd: shard={s} */" for c in countries for s in shards]
        else:
            loaded += countries
        for statement in loaded:
            done = pg.exec_(statement.encode())
            assert done.status == pq.ExecStatus.COMMAND_OK, (side, statement, seen(done))


def seen(result):
    """What a client sees of one result."""
    field = result.error_field
    if result.status == pq.ExecStatus.FATAL_ERROR:
        parts = pq.DiagnosticField
        return ("error", *map(field, (parts.SQLSTATE, parts.MESSAGE_PRIMARY, parts.MESSAGE_DETAIL)))
    columns = range(result.nfields)
    types = [result.ftype(c) if result.ftype(c) < FIRST_USER_OID else "user's" for c in columns]
    shape = [(result.fname(c), kind, result.fmod(c)) for c, kind in zip(columns, types)]
    values = [[result.get_value(r, c) for c in columns] for r in range(result.ntuples)]
    # Without ORDER BY no order is promised; where there is one, the types of it stay.
    return (pq.ExecStatus(result.status).name, result.command_status, shape, sorted(values, key=repr))


def texts(pg, text):
    """All results of a text by the simple protocol."""
    pg.send_query(text.encode())
    results = []
    while (result := pg.get_result()) is not None:
        results.append(seen(result))
        if result.status == pq.ExecStatus.COPY_OUT:
            copied = []
            while (got := pg.get_copy_data(0))[0] > 0:
                copied.append(bytes(got[1]))
            results.append(sorted(copied))
        if result.status == pq.ExecStatus.COPY_IN:
            pg.put_copy_end(b"not now")
    return results


def statement(pg, text, extended):
    pg.exec_(b"BEGIN")
    said = [seen(pg.exec_params(text.encode(), []))] if extended else texts(pg, text)
    said.append(pg.transaction_status)
    pg.exec_(b"ROLLBACK")
    return said


def statements():
    proxy, twin = connect(PROXY).pgconn, connect(TWIN).pgconn
    path = HERE / "statements.sql"
    wrong, written, count = [], [], 0
    for line in path.read_text().splitlines():
        text, _, mark = line.partition(" -- refused")
        if not text.strip() or text.startswith("--"):
            written.append(line)
            continue
        count += 1
        # By the extended protocol a server reads the statement first, and says what is wrong
        # with it where pgherd would only have refused it.
        protocols = (False,) if ";" in text else (False, True)
        refused = False
        for extended in protocols:
            ours, theirs = (statement(pg, text, extended) for pg in (proxy, twin))
            if ours == theirs:
                continue
            if ours[0][:2] != ("error", b"0A000"):
                wrong.append(f"{text}\n  pgherd {ours}\n  twin   {theirs}")
            refused = True
        if refused != line.endswith(" -- refused"):
            wrong.append(f"{text}\n  is {'' if refused else 'not '}refused")
        written.append(text + " -- refused" if refused else text)
    if "PGHERD_BLESS" in os.environ:
        path.write_text("\n".join(written) + "\n")
    return count, wrong


def session(side, line):
    connection = connect(side)
    notices = []
    connection.add_notice_handler(lambda d: notices.append((d.sqlstate, d.message_primary)))
    pg = connection.pgconn
    for text in line.split(" | "):
        notices.clear()
        results = texts(pg, text)
        status = [pg.parameter_status(name) for name in REPORTED]
        yield text, results, pg.transaction_status, list(notices), status
    connection.close()


def sessions():
    wrong, count = [], 0
    for line in (HERE / "sessions.txt").read_text().splitlines():
        if line.startswith("--") or not line:
            continue
        count += 1
        for ours, theirs in zip(session(PROXY, line), session(TWIN, line), strict=True):
            if ours != theirs:
                wrong.append(f"{line}\n  pgherd {ours}\n  twin   {theirs}")
                break
    return count, wrong


def main():
    fill()
    counted, wrong = statements()
    held, more = sessions()
    print(f"{counted} statements and {held} sessions on pgherd and on its twin")
    wrong += more
    if wrong:
        sys.exit("\n".join(wrong) + f"\n{len(wrong)} differ")


main()
