"""psycopg 3 on a sharded database, as an application uses it.

Everything here gives the same answers on one plain Postgres; what only a sharded database
refuses is looked at when PGHERD_PLAIN is not set. Connection by the PG… variables.
"""

import datetime
import decimal
import os
import threading
import uuid

import psycopg
from psycopg import errors

PLAIN = "PGHERD_PLAIN" in os.environ
USERS = 200


def schema(conn):
    conn.execute("DROP TABLE IF EXISTS posts, users, countries")
    conn.execute("CREATE TABLE countries (code text PRIMARY KEY, name text NOT NULL)")
    conn.execute(
        "CREATE TABLE users (id bigint PRIMARY KEY, name text, born date, balance numeric,"
        " tag uuid, seen timestamptz, picture bytea, likes int[], about jsonb)"
    )
    conn.execute(
        "CREATE TABLE posts (user_id bigint REFERENCES users, id bigint, body text,"
        " PRIMARY KEY (user_id, id))"
    )


def row(key):
    return (
        key,
        f"user {key} ü",
        datetime.date(1970, 1, 1) + datetime.timedelta(days=key),
        decimal.Decimal(key) / 4,
        uuid.UUID(int=key),
        datetime.datetime(2026, 1, 1, tzinfo=datetime.timezone.utc)
        + datetime.timedelta(microseconds=key),
        bytes([key % 256, 0, 255]),
        [key, -key],
        {"key": key, "nested": [None, True, "x"]},
    )


INSERT = (
    "INSERT INTO users (id, name, born, balance, tag, seen, picture, likes, about)"
    " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)"
)
SELECT = (
    "SELECT id, name, born, balance, tag, seen, picture, likes, about FROM users WHERE id = %s"
)


def parameters(key):
    values = row(key)
    return values[:-1] + (psycopg.types.json.Jsonb(values[-1]),)


def writes_and_reads(conn):
    with conn.cursor() as cur:
        for key in range(1, USERS + 1):
            cur.execute(INSERT, parameters(key))
            assert cur.rowcount == 1, cur.rowcount
    # Text and binary results; psycopg prepares a statement at its fifth execution.
    for binary in (False, True):
        with conn.cursor(binary=binary) as cur:
            for key in range(1, USERS + 1):
                found = cur.execute(SELECT, (key,)).fetchall()
                assert found == [row(key)], found
            assert cur.execute(SELECT, (USERS + 1,)).fetchall() == []
    with conn.cursor() as cur:
        cur.execute(SELECT, (7,), prepare=True)
        cur.execute(SELECT, (8,), prepare=True)
        assert cur.fetchone() == row(8)
        names = [column.name for column in cur.description]
        assert names[0] == "id" and len(names) == 9, names
    # By the simple protocol, with the values in the text.
    with psycopg.ClientCursor(conn) as cur:
        assert cur.execute(SELECT, (9,)).fetchone() == row(9)


def transactions(conn):
    with conn.transaction():
        conn.execute("UPDATE users SET name = 'in doubt' WHERE id = %s", (1,))
        conn.execute("INSERT INTO posts VALUES (%s, 1, 'first')", (1,))
        try:
            with conn.transaction():
                conn.execute("INSERT INTO posts VALUES (%s, 1, 'again')", (1,))
            raise AssertionError("a duplicate was taken")
        except errors.UniqueViolation as e:
            assert e.diag.constraint_name == "posts_pkey", e.diag.constraint_name
        joined = conn.execute(
            "SELECT u.name, p.body FROM users u JOIN posts p ON p.user_id = u.id WHERE u.id = %s",
            (1,),
        ).fetchall()
        assert joined == [("in doubt", "first")], joined
    try:
        with conn.transaction():
            conn.execute("DELETE FROM posts WHERE user_id = %s", (1,))
            raise KeyError("changed my mind")
    except KeyError:
        pass
    count = "SELECT count(*) FROM posts WHERE user_id = %s"
    assert conn.execute(count, (1,)).fetchone() == (1,)
    # After an error the transaction is done for, as Postgres has it.
    conn.autocommit = False
    try:
        conn.execute("SELECT 1 / (id - id) FROM users WHERE id = %s", (1,))
        raise AssertionError("divided by zero")
    except errors.DivisionByZero:
        pass
    try:
        conn.execute(count, (1,))
        raise AssertionError("the transaction went on")
    except errors.InFailedSqlTransaction:
        conn.rollback()
    conn.autocommit = True


def pipelines(conn):
    with conn.pipeline():
        cursors = [conn.execute(SELECT, (key,)) for key in (3, 3, 3)]
    assert [cur.fetchone() for cur in cursors] == [row(3)] * 3


def errors_have_codes(conn):
    for statement, code in [
        ("SELECT nothing FROM users WHERE id = 1", "42703"),
        ("SELEC 1", "42601"),
        ("SELECT 'x'::int", "22P02"),
    ]:
        try:
            conn.execute(statement)
            raise AssertionError(f"{statement} was answered")
        except psycopg.Error as e:
            assert e.sqlstate == code, (statement, e.sqlstate, str(e))
    if PLAIN:
        return
    # What the shards can't answer is refused before anything was done, with a hint.
    for statement in [
        "SELECT u.name FROM users u JOIN posts p ON p.id = u.id FOR SHARE OF u",
        "UPDATE users SET id = 5 WHERE id = 6",
        "SELECT ctid FROM users ORDER BY id",
    ]:
        try:
            conn.execute(statement)
            raise AssertionError(f"{statement} was answered")
        except errors.FeatureNotSupported as e:
            assert e.diag.message_hint, statement
    assert conn.execute(SELECT, (6,)).fetchone() == row(6)


def cancels(conn):
    timer = threading.Timer(0.3, conn.cancel)
    timer.start()
    try:
        conn.execute("SELECT pg_sleep(30) FROM users WHERE id = %s", (1,))
        raise AssertionError("slept for 30 s")
    except errors.QueryCanceled:
        pass
    timer.join()
    assert conn.execute("SELECT 1").fetchone() == (1,)


def many_at_once():
    wrong = []

    def work(worker):
        try:
            with psycopg.connect(autocommit=True) as conn:
                for key in range(2 + worker, USERS, 7):
                    found = conn.execute(SELECT, (key,)).fetchone()
                    assert found == row(key), found
        except Exception as e:  # noqa: BLE001: told to the main thread
            wrong.append(e)

    workers = [threading.Thread(target=work, args=(n,)) for n in range(20)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert not wrong, wrong


def main():
    with psycopg.connect(autocommit=True) as conn:
        conn.execute("SET TIME ZONE 'UTC'")
        for step in [
            schema, writes_and_reads, transactions, pipelines, errors_have_codes, cancels,
        ]:
            step(conn)
            print(f"ok {step.__name__}")
    many_at_once()
    print("ok many_at_once")


main()
