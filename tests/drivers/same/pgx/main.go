// Go's pgx, version 4, which Debian has: see ../README.md. Built without modules:
// GO111MODULE=off GOPATH=/usr/share/gocode go build.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgconn"
	"github.com/jackc/pgtype"
	"github.com/jackc/pgx/v4"
	"github.com/jackc/pgx/v4/pgxpool"
)

const clients = 6

var ctx = context.Background()

func say(name string, values ...interface{}) {
	fmt.Print(name, ":")
	for _, value := range values {
		fmt.Printf(" %v", value)
	}
	fmt.Println()
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func failed(err error) string {
	var e *pgconn.PgError
	if errors.As(err, &e) {
		return fmt.Sprintf("error %s %s | %s | %d", e.Code, e.Message, e.Detail, e.Position)
	}
	if err == nil {
		return "done"
	}
	return "error of the driver"
}

type asker interface {
	Query(context.Context, string, ...interface{}) (pgx.Rows, error)
}

// The rows of a query, or its error.
func ask(c asker, sql string, arguments ...interface{}) string {
	rows, err := c.Query(ctx, sql, arguments...)
	if err != nil {
		return failed(err)
	}
	defer rows.Close()
	return shown(rows)
}

func shown(rows pgx.Rows) string {
	var all []string
	for rows.Next() {
		values, err := rows.Values()
		must(err)
		all = append(all, fmt.Sprint(values))
	}
	if rows.Err() != nil {
		return failed(rows.Err())
	}
	return strings.Join(all, "; ")
}

func connect(change func(*pgx.ConnConfig)) *pgx.Conn {
	config, err := pgx.ParseConfig("")
	must(err)
	if change != nil {
		change(config)
	}
	c, err := pgx.ConnectConfig(ctx, config)
	must(err)
	return c
}

func run(c *pgx.Conn, sql string, arguments ...interface{}) pgconn.CommandTag {
	tag, err := c.Exec(ctx, sql, arguments...)
	must(err)
	return tag
}

func tables(first *pgx.Conn) []*pgx.Conn {
	run(first, "DROP TABLE IF EXISTS pgx_rows, pgx_types")
	run(first, "CREATE TABLE pgx_rows (id bigint PRIMARY KEY, name text, n int)")
	run(first, `CREATE TABLE pgx_types (id bigint PRIMARY KEY, num numeric, at timestamptz, day date, doc jsonb,
		ints int[], words text[], raw bytea, tag uuid, f8 float8, yes boolean, span interval, addr inet)`)
	var all []*pgx.Conn
	for i := 0; i < clients; i++ {
		all = append(all, connect(nil))
	}
	for i := 0; i < 60; i++ {
		run(all[i%clients], "INSERT INTO pgx_rows VALUES ($1, $2, $3)", i, fmt.Sprint("name ", i), i)
	}
	return all
}

func types(all []*pgx.Conn) {
	for i := 0; i < 3; i++ {
		run(all[i], "INSERT INTO pgx_types VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
			i, "12345678901234567890.0123456789", time.Date(2024, 2, 29, 12, 30, 45, 123456000, time.UTC),
			time.Date(1900, 1, 1, 0, 0, 0, 0, time.UTC), map[string]interface{}{"a": []interface{}{1, nil, "ü"}},
			[]int32{1, -3}, []string{"a,b", "\"", "", "ü\\"}, []byte{0, 39, 92, 255},
			[16]byte{15: byte(i)}, 1e-300, i%2 == 0, 400*time.Hour, "10.1.2.3/32")
	}
	for _, c := range all {
		for i := 0; i < 3; i++ {
			var num pgtype.Numeric
			var at time.Time
			var doc map[string]interface{}
			var ints []int32
			var words []string
			var raw []byte
			var f8 float64
			var span time.Duration
			must(c.QueryRow(ctx, "SELECT num, at, doc, ints, words, raw, f8, span FROM pgx_types WHERE id = $1", i).
				Scan(&num, &at, &doc, &ints, &words, &raw, &f8, &span))
			say("row", num.Int, num.Exp, at.UTC(), doc, ints, words, raw, f8, span)
		}
		say("values", ask(c, "SELECT id, yes, day, tag::text, addr FROM pgx_types WHERE id = $1", 1))
		// As text, by the simple protocol.
		say("simple", ask(c, "SELECT id, words, f8 FROM pgx_types WHERE id = $1", pgx.QuerySimpleProtocol(true), 2))
	}
}

func prepared(all []*pgx.Conn) {
	for turn := 0; turn < 3; turn++ {
		for i := 0; i < 60; i++ {
			got := ask(all[(i+turn)%clients], fmt.Sprintf("SELECT %d, name FROM pgx_rows WHERE id = $1", i), i)
			if got != fmt.Sprintf("[%d name %d]", i, i) {
				say("mixed up", i, got)
			}
		}
	}
	for _, c := range all {
		d, err := c.Prepare(ctx, "mine", "SELECT name, $2::int + n FROM pgx_rows WHERE id = $1")
		must(err)
		say("described", d.ParamOIDs, d.Fields[0].DataTypeOID, string(d.Fields[1].Name))
	}
	for i := 0; i < 20; i++ {
		for _, c := range all {
			if got := ask(c, "mine", i, 1); got != fmt.Sprintf("[name %d %d]", i, i+1) {
				say("mixed up", i, got)
			}
		}
	}
	must(all[0].Deallocate(ctx, "mine"))
	for i := 0; i < 2; i++ {
		say("star", ask(all[1], "SELECT * FROM pgx_rows WHERE id = $1", 7))
	}
	run(all[5], "ALTER TABLE pgx_rows ADD COLUMN more int DEFAULT 5")
	// The driver was told what the results look like: once an error, then it prepares anew.
	for i := 0; i < 3; i++ {
		say("after ALTER", ask(all[1], "SELECT * FROM pgx_rows WHERE id = $1", 7))
	}
	run(all[5], "ALTER TABLE pgx_rows DROP COLUMN more")
	// The driver only describes, and keeps nothing prepared.
	c := connect(func(config *pgx.ConnConfig) { config.PreferSimpleProtocol = true })
	say("prefers simple", ask(c, "SELECT name, $2::int FROM pgx_rows WHERE id = $1", 7, 5))
	c.Close(ctx)
}

func transactions(all []*pgx.Conn) {
	a, b := all[0], all[1]
	t, err := a.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead})
	must(err)
	_, err = t.Exec(ctx, "UPDATE pgx_rows SET n = n + 100 WHERE id = 1")
	must(err)
	say("not seen yet", ask(b, "SELECT n FROM pgx_rows WHERE id = 1"), ask(t, "SHOW transaction_isolation"))
	s, err := t.Begin(ctx)
	must(err)
	_, err = s.Exec(ctx, "INSERT INTO pgx_rows VALUES ($1)", 1)
	say("twice", failed(err))
	say("failed", ask(s, "SELECT 1"))
	must(s.Rollback(ctx))
	say("goes on", ask(t, "SELECT n FROM pgx_rows WHERE id = $1", 1))
	must(t.Commit(ctx))
	say("seen", ask(b, "SELECT n FROM pgx_rows WHERE id = $1", 1))
	t, err = a.BeginTx(ctx, pgx.TxOptions{AccessMode: pgx.ReadOnly})
	must(err)
	_, err = t.Exec(ctx, "DELETE FROM pgx_rows WHERE id = 1")
	say("read only", failed(err), failed(t.Commit(ctx)))
}

func batches(all []*pgx.Conn) {
	c := all[2]
	batch := &pgx.Batch{}
	for i := 0; i < 20; i++ {
		batch.Queue("INSERT INTO pgx_rows VALUES ($1, 'batch', $2) RETURNING id", 2000+i, i)
		batch.Queue("SELECT count(*) FROM pgx_rows WHERE id >= $1", 2000)
	}
	results := c.SendBatch(ctx, batch)
	for i := 0; i < 40; i++ {
		rows, err := results.Query()
		must(err)
		if got := shown(rows); i > 35 {
			say("batch", got)
		}
	}
	must(results.Close())
	batch = &pgx.Batch{}
	batch.Queue("INSERT INTO pgx_rows VALUES (2500)")
	batch.Queue("INSERT INTO pgx_rows VALUES (2000)")
	batch.Queue("SELECT 1")
	results = c.SendBatch(ctx, batch)
	for i := 0; i < 3; i++ {
		_, err := results.Exec()
		say("in order", failed(err))
	}
	say("closed", failed(results.Close()))
	say("one transaction", ask(all[3], "SELECT count(*) FROM pgx_rows WHERE id = 2500"))
	say("deleted", run(c, "DELETE FROM pgx_rows WHERE id >= 2000"))
}

func cursors(all []*pgx.Conn) {
	a, b := all[0], all[1]
	for _, c := range []*pgx.Conn{a, b} {
		run(c, "BEGIN")
		run(c, "DECLARE c CURSOR FOR SELECT g, name FROM pgx_rows, generate_series(1, 100) g WHERE id = 5 ORDER BY 1")
	}
	for i := 0; i < 3; i++ {
		say("fetched", ask(a, "FETCH 2 c"), ask(b, "FETCH 3 c"))
	}
	run(a, "COMMIT")
	run(b, "ROLLBACK")
	// Rows that nobody reads to their end.
	rows, err := a.Query(ctx, "SELECT repeat('x', 1000) FROM generate_series(1, 5000)")
	must(err)
	rows.Next()
	rows.Close()
	say("closed early", failed(rows.Err()), ask(a, "SELECT 1"))
}

func copies(all []*pgx.Conn) {
	rows := [][]interface{}{}
	for i := 0; i < 1000; i++ {
		rows = append(rows, []interface{}{int64(3000 + i), "ü" + strings.Repeat("x", i%50), int32(i)})
	}
	columns := []string{"id", "name", "n"}
	n, err := all[0].CopyFrom(ctx, pgx.Identifier{"pgx_rows"}, columns, pgx.CopyFromRows(rows))
	say("in", n, failed(err))
	n, err = all[1].CopyFrom(ctx, pgx.Identifier{"pgx_rows"}, columns, pgx.CopyFromRows(rows[:3]))
	say("twice", n, failed(err))
	var out strings.Builder
	tag, err := all[2].PgConn().CopyTo(ctx, &out, "COPY (SELECT * FROM pgx_rows WHERE id >= 3998 ORDER BY id) TO STDOUT (FORMAT csv)")
	say("out", tag, failed(err), strings.ReplaceAll(out.String(), "\n", "/"))
	tag, err = all[1].PgConn().CopyFrom(ctx, strings.NewReader("5000\tx\tno number\n"), "COPY pgx_rows FROM STDIN")
	say("wrong", tag, failed(err))
	say("deleted", run(all[3], "DELETE FROM pgx_rows WHERE id >= 3000"))
}

func largeObjects(all []*pgx.Conn) {
	t, err := all[0].Begin(ctx)
	must(err)
	objects := t.LargeObjects()
	oid, err := objects.Create(ctx, 0)
	must(err)
	object, err := objects.Open(ctx, oid, pgx.LargeObjectModeRead|pgx.LargeObjectModeWrite)
	must(err)
	n, err := object.Write([]byte(strings.Repeat("large ", 10000)))
	must(err)
	_, err = object.Seek(6, 0)
	must(err)
	part := make([]byte, 8)
	_, err = object.Read(part)
	must(err)
	say("large object", n, string(part))
	must(t.Rollback(ctx))
}

func cancels(all []*pgx.Conn) {
	c := connect(nil)
	short, stop := context.WithTimeout(ctx, 300*time.Millisecond)
	_, err := c.Exec(short, "SELECT pg_sleep(60)")
	stop()
	say("timed out", errors.Is(err, context.DeadlineExceeded), c.IsClosed())
	a := all[0]
	sleeps := `SELECT 1 FROM pg_stat_activity WHERE query LIKE '%60) /* pgx */'
		AND state = 'active' AND datname = current_database()`
	go func() {
		for ask(all[1], sleeps) == "" {
			time.Sleep(50 * time.Millisecond)
		}
		must(a.PgConn().CancelRequest(ctx))
	}()
	say("cancelled", ask(a, "/* pgherd: shard=s1 */ SELECT pg_sleep(60) /* pgx */"))
	say("goes on", ask(a, "SELECT 1"))
}

func pools() {
	config, err := pgxpool.ParseConfig("")
	must(err)
	config.MaxConns = clients
	pool, err := pgxpool.ConnectConfig(ctx, config)
	must(err)
	defer pool.Close()
	got := make([]string, 40)
	var wait sync.WaitGroup
	for i := range got {
		wait.Add(1)
		go func(i int) {
			defer wait.Done()
			got[i] = ask(pool, "SELECT name FROM pgx_rows WHERE id = $1", i)
		}(i)
	}
	wait.Wait()
	say("pool", got)
	must(pool.Ping(ctx))
}

func settings(all []*pgx.Conn) {
	var heard []string
	c := connect(func(config *pgx.ConnConfig) {
		config.RuntimeParams["application_name"] = "mine"
		config.RuntimeParams["search_path"] = "public, pg_catalog"
		config.OnNotice = func(_ *pgconn.PgConn, n *pgconn.Notice) { heard = append(heard, n.Code+" "+n.Message) }
	})
	for _, other := range all {
		say("own", ask(c, "SHOW application_name"), ask(c, "SHOW search_path"), ask(other, "SHOW search_path"))
	}
	run(c, "/* pgherd: shard=s1 */ DO $$ BEGIN RAISE WARNING 'hear %', 7; END $$")
	run(c, "SET timezone = 'Asia/Tokyo'")
	say("told", heard, c.PgConn().ParameterStatus("TimeZone"), c.PgConn().ParameterStatus("server_encoding"))
	c.Close(ctx)
}

func notifications(all []*pgx.Conn) {
	run(all[0], "LISTEN pgx_news")
	for i := 0; i < 3; i++ {
		run(all[1], "SELECT pg_notify('pgx_news', $1)", fmt.Sprint("number ", i))
	}
	for i := 0; i < 3; i++ {
		n, err := all[0].WaitForNotification(ctx)
		must(err)
		say("heard", n.Channel, n.Payload)
	}
	run(all[0], "UNLISTEN *")
}

func wrong(all []*pgx.Conn) {
	for _, sql := range []string{"SELEC 1", "SELECT nothing", "SELECT 'x'::int", "SELECT * FROM nothing_there", "SELECT nothing()"} {
		say(sql, ask(all[0], sql), ask(all[1], sql, pgx.QuerySimpleProtocol(true)))
	}
	say("empty", run(all[0], ""), run(all[0], "SELECT 1; SELECT 2"))
	say("two in one", ask(all[0], "SELECT 1; SELECT $1::int", 1))
}

func main() {
	if os.Getenv("PGHOST") == "" {
		panic("PGHOST and the like say where")
	}
	first := connect(nil)
	all := tables(first)
	types(all)
	prepared(all)
	transactions(all)
	batches(all)
	cursors(all)
	copies(all)
	largeObjects(all)
	cancels(all)
	pools()
	settings(all)
	notifications(all)
	wrong(all)
	for _, c := range all {
		c.Close(ctx)
	}
	run(first, "DROP TABLE pgx_rows, pgx_types")
	first.Close(ctx)
}
