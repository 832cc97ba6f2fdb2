// JDBC: see README.md. Run as one file: java -cp …/postgresql.jar WithJdbc.java

import java.io.*;
import java.math.BigDecimal;
import java.nio.charset.StandardCharsets;
import java.sql.*;
import java.time.*;
import java.util.*;
import org.postgresql.PGConnection;
import org.postgresql.copy.CopyManager;
import org.postgresql.largeobject.*;
import org.postgresql.util.PSQLException;

public class WithJdbc {
    static final int CLIENTS = 6;

    static final String SLEEPS = "SELECT 1 FROM pg_stat_activity WHERE query LIKE '%60) /* jdbc */'"
        + " AND state = 'active' AND datname = current_database()";

    interface Work { Object run() throws Exception; }

    static void say(String name, Object... values) {
        var line = new StringBuilder(name).append(":");
        for (var value : values) line.append(' ').append(shown(value));
        System.out.println(line);
    }

    static String shown(Object value) {
        if (value instanceof byte[] b) return HexFormat.of().formatHex(b);
        if (value instanceof int[] a) return Arrays.toString(a);
        if (value instanceof long[] a) return Arrays.toString(a);
        if (value instanceof Object[] a) return Arrays.toString(a);
        return String.valueOf(value);
    }

    static Object tried(Work work) {
        try {
            return work.run();
        } catch (PSQLException e) {
            var m = e.getServerErrorMessage();
            if (m == null) return "error " + e.getSQLState();
            return "error " + e.getSQLState() + " " + m.getMessage() + " | " + m.getDetail() + " | " + m.getPosition();
        } catch (SQLException e) {
            return e.getClass().getSimpleName() + " " + e.getSQLState();
        } catch (Exception e) {
            return e.toString();
        }
    }

    static Connection connect(String... options) throws SQLException {
        var env = System.getenv();
        var p = new Properties();
        p.put("user", env.get("PGUSER"));
        p.put("password", env.get("PGPASSWORD"));
        for (int i = 0; i < options.length; i += 2) p.put(options[i], options[i + 1]);
        return DriverManager.getConnection(
            "jdbc:postgresql://" + env.get("PGHOST") + ":" + env.get("PGPORT") + "/" + env.get("PGDATABASE"), p);
    }

    static void run(Connection c, String sql) throws SQLException {
        try (var s = c.createStatement()) { s.execute(sql); }
    }

    static List<String> rows(ResultSet r) throws SQLException {
        var all = new ArrayList<String>();
        int n = r.getMetaData().getColumnCount();
        while (r.next()) {
            var row = new ArrayList<String>();
            for (int i = 1; i <= n; i++) row.add(shown(r.getObject(i)));
            all.add(row.toString());
        }
        return all;
    }

    static List<String> ask(Connection c, String sql, Object... values) throws SQLException {
        try (var s = c.prepareStatement(sql)) {
            for (int i = 0; i < values.length; i++) s.setObject(i + 1, values[i]);
            return rows(s.executeQuery());
        }
    }

    static List<Connection> tables(Connection first) throws SQLException {
        run(first, "DROP TABLE IF EXISTS jdbc_rows, jdbc_types");
        run(first, "CREATE TABLE jdbc_rows (id bigint PRIMARY KEY, name text, n int)");
        run(first, "CREATE TABLE jdbc_types (id bigint PRIMARY KEY, num numeric, at timestamptz, day date, ts timestamp,"
            + " doc jsonb, ints int[], words text[], raw bytea, tag uuid, f8 float8, yes boolean, t time)");
        var all = new ArrayList<Connection>();
        for (int i = 0; i < CLIENTS; i++) {
            // Some prepare at once and transfer binary, some after five runs, some never.
            all.add(i == 0 ? connect() : i % 3 == 0 ? connect("prepareThreshold", "0")
                : connect("prepareThreshold", "-1", "preparedStatementCacheQueries", "40"));
        }
        for (int i = 0; i < 60; i++) {
            try (var s = all.get(i % CLIENTS).prepareStatement("INSERT INTO jdbc_rows VALUES (?, ?, ?)")) {
                s.setLong(1, i);
                s.setString(2, "name " + i);
                s.setInt(3, i);
                s.executeUpdate();
            }
        }
        return all;
    }

    static void types(List<Connection> all) throws Exception {
        for (int i = 0; i < 3; i++) {
            var c = all.get(i);
            try (var s = c.prepareStatement("INSERT INTO jdbc_types VALUES (?, ?, ?, ?, ?, ?::jsonb, ?, ?, ?, ?, ?, ?, ?)")) {
                s.setLong(1, i);
                s.setBigDecimal(2, new BigDecimal("12345678901234567890.0123456789"));
                s.setObject(3, OffsetDateTime.of(2024, 2, 29, 12, 30, 45, 123456000, ZoneOffset.ofHours(3)));
                s.setObject(4, LocalDate.of(1900, 1, 1));
                s.setObject(5, LocalDateTime.of(2024, 2, 29, 12, 30, 45));
                s.setString(6, "{\"a\": [1, null, \"ü\"]}");
                s.setArray(7, c.createArrayOf("int4", new Integer[] {1, null, -3}));
                s.setArray(8, c.createArrayOf("text", new String[] {"a,b", "\"", "", null, "ü\\"}));
                s.setBytes(9, new byte[] {0, 1, 39, 92, (byte) 255});
                s.setObject(10, new UUID(1, i));
                s.setDouble(11, 1e-300);
                s.setBoolean(12, i % 2 == 0);
                s.setObject(13, LocalTime.of(23, 59, 59, 999999000));
                say("inserted", s.executeUpdate());
            }
        }
        for (var c : all) {
            try (var s = c.prepareStatement("SELECT * FROM jdbc_types WHERE id = ?")) {
                for (int n = 0; n < 7; n++) {
                    s.setLong(1, n % 3);
                    var r = s.executeQuery();
                    r.next();
                    if (n < 6) continue;
                    say("row", r.getBigDecimal(2), r.getObject(3, OffsetDateTime.class), r.getObject(4, LocalDate.class),
                        r.getTimestamp(5), r.getString(6), r.getArray(7), r.getArray(8), r.getBytes(9), r.getObject(10),
                        r.getDouble(11), r.getBoolean(12), r.getObject(13, LocalTime.class));
                    var m = r.getMetaData();
                    var columns = new ArrayList<String>();
                    for (int i = 1; i <= m.getColumnCount(); i++) columns.add(m.getColumnName(i) + " " + m.getColumnTypeName(i));
                    say("columns", columns);
                }
                var p = s.getParameterMetaData();
                say("parameter", p.getParameterCount(), p.getParameterTypeName(1));
            }
        }
    }

    static void prepared(List<Connection> all) throws Exception {
        // More statements than a server's connection keeps, in turns.
        for (int turn = 0; turn < 3; turn++) {
            for (int i = 0; i < 60; i++) {
                var got = ask(all.get((i + turn) % CLIENTS), "SELECT " + i + ", name FROM jdbc_rows WHERE id = ?", (long) i);
                if (!got.toString().equals("[[" + i + ", name " + i + "]]")) say("mixed up", i, got);
            }
        }
        for (int n = 0; n < 12; n++) {
            for (var c : all) ask(c, "SELECT * FROM jdbc_rows WHERE id = ?", 7L);
        }
        run(all.get(5), "ALTER TABLE jdbc_rows ADD COLUMN more int DEFAULT 5");
        // Outside a transaction the driver prepares anew by itself.
        for (var c : all) say("after ALTER", tried(() -> ask(c, "SELECT * FROM jdbc_rows WHERE id = ?", 7L)));
        run(all.get(5), "ALTER TABLE jdbc_rows DROP COLUMN more");
        for (var c : all) say("dropped", tried(() -> ask(c, "SELECT * FROM jdbc_rows WHERE id = ?", 7L)));
        for (var c : all) run(c, "DEALLOCATE ALL");
        for (var c : all) say("after DEALLOCATE", tried(() -> ask(c, "SELECT n FROM jdbc_rows WHERE id = ?", 8L)));
        for (var c : all) run(c, "DISCARD ALL");
        for (var c : all) say("after DISCARD", tried(() -> ask(c, "SELECT n FROM jdbc_rows WHERE id = ?", 8L)));
    }

    static void transactions(List<Connection> all) throws Exception {
        var a = all.get(0);
        var b = all.get(1);
        a.setAutoCommit(false);
        run(a, "UPDATE jdbc_rows SET n = n + 100 WHERE id = 1");
        say("not seen yet", ask(b, "SELECT n FROM jdbc_rows WHERE id = 1"));
        var point = a.setSavepoint("s p");
        say("twice", tried(() -> ask(a, "INSERT INTO jdbc_rows VALUES (1) RETURNING id")));
        say("failed", tried(() -> ask(a, "SELECT 1")));
        a.rollback(point);
        say("goes on", ask(a, "SELECT n FROM jdbc_rows WHERE id = 1"));
        a.releaseSavepoint(point);
        a.commit();
        say("seen", ask(b, "SELECT n FROM jdbc_rows WHERE id = 1"));
        a.setTransactionIsolation(Connection.TRANSACTION_SERIALIZABLE);
        say("level", ask(a, "SHOW transaction_isolation"), a.getTransactionIsolation());
        a.rollback();
        a.setReadOnly(true);
        say("read only", tried(() -> { run(a, "UPDATE jdbc_rows SET n = 1 WHERE id = 1"); return "done"; }));
        a.rollback();
        a.setReadOnly(false);
        a.setTransactionIsolation(Connection.TRANSACTION_READ_COMMITTED);
        a.setAutoCommit(true);
        say("valid", a.isValid(5), b.isValid(5));
        try (var c = connect("autosave", "always")) {
            c.setAutoCommit(false);
            say("autosave", ask(c, "SELECT 1"), tried(() -> ask(c, "SELECT 1/0")), ask(c, "SELECT 2"));
            c.rollback();
        }
    }

    static void batches(List<Connection> all) throws Exception {
        try (var c = connect("reWriteBatchedInserts", "true")) {
            for (var one : List.of(all.get(0), c)) {
                try (var s = one.prepareStatement("INSERT INTO jdbc_rows VALUES (?, ?, ?)")) {
                    for (int i = 2000; i < 2300; i++) {
                        s.setLong(1, i);
                        s.setString(2, "batch");
                        s.setInt(3, i);
                        s.addBatch();
                    }
                    say("batch", s.executeBatch().length);
                    say("count", ask(all.get(2), "SELECT count(*), sum(n) FROM jdbc_rows WHERE id >= ?", 2000L));
                    for (int i = 2400; i > 2290; i--) {
                        s.setLong(1, i);
                        s.setString(2, "batch");
                        s.setInt(3, i);
                        s.addBatch();
                    }
                    try {
                        s.executeBatch();
                    } catch (BatchUpdateException e) {
                        say("twice", e.getSQLState());
                    }
                }
                say("deleted", tried(() -> { try (var s = one.createStatement()) { return s.executeUpdate("DELETE FROM jdbc_rows WHERE id >= 2000"); } }));
            }
        }
        try (var s = all.get(1).prepareStatement("INSERT INTO jdbc_rows VALUES (?, ?)", new String[] {"id", "name"})) {
            for (int i = 2000; i < 2003; i++) {
                s.setLong(1, i);
                s.setString(2, "k" + i);
                s.addBatch();
            }
            s.executeBatch();
            say("keys", rows(s.getGeneratedKeys()));
        }
        try (var s = all.get(2).createStatement()) {
            s.addBatch("DELETE FROM jdbc_rows WHERE id = 2000");
            s.addBatch("DELETE FROM jdbc_rows WHERE id > 2000");
            say("mixed", s.executeBatch());
            say("several", s.execute("SELECT 1; SELECT 'x'; UPDATE jdbc_rows SET n = n WHERE id < 3"),
                rows(s.getResultSet()), s.getMoreResults(), rows(s.getResultSet()), s.getMoreResults(), s.getUpdateCount());
        }
    }

    static void cursors(List<Connection> all) throws Exception {
        var a = all.get(1);
        var b = all.get(2);
        String text = "SELECT g, name FROM jdbc_rows, generate_series(1, 100) g WHERE id = ? ORDER BY 1";
        a.setAutoCommit(false);
        b.setAutoCommit(false);
        try (var one = a.prepareStatement(text); var two = b.prepareStatement(text)) {
            one.setFetchSize(7);
            two.setFetchSize(9);
            one.setLong(1, 1);
            two.setLong(1, 2);
            var x = one.executeQuery();
            var y = two.executeQuery();
            int difference = 0;
            while (x.next() && y.next()) difference += x.getInt(1) - y.getInt(1) + x.getString(2).compareTo("name 1") + y.getString(2).compareTo("name 2");
            say("interleaved", difference);
        }
        a.commit();
        b.commit();
        a.setAutoCommit(true);
        b.setAutoCommit(true);
        try (var s = all.get(3).createStatement(ResultSet.TYPE_SCROLL_INSENSITIVE, ResultSet.CONCUR_UPDATABLE)) {
            var r = s.executeQuery("SELECT id, name FROM jdbc_rows ORDER BY id");
            r.absolute(5);
            r.updateString(2, "updated");
            r.updateRow();
            r.last();
            say("scrolled", r.getRow(), r.getString(2), ask(a, "SELECT name FROM jdbc_rows WHERE id = 4"));
        }
    }

    static void copies(List<Connection> all) throws Exception {
        var a = all.get(0).unwrap(PGConnection.class).getCopyAPI();
        var b = all.get(1).unwrap(PGConnection.class).getCopyAPI();
        var lines = new StringBuilder();
        for (int i = 3000; i < 4000; i++) lines.append(i).append(",\"ü,").append("x".repeat(i % 50)).append("\",").append(i).append('\n');
        say("in", a.copyIn("COPY jdbc_rows FROM STDIN (FORMAT csv)", new StringReader(lines.toString())));
        var out = new ByteArrayOutputStream();
        say("out", b.copyOut("COPY (SELECT * FROM jdbc_rows WHERE id >= 3990 ORDER BY id) TO STDOUT", out));
        say("lines", out.toString(StandardCharsets.UTF_8).replace('\n', '/'));
        say("wrong", tried(() -> a.copyIn("COPY jdbc_rows FROM STDIN (FORMAT csv)", new StringReader("5000,x,no number\n"))));
        var stopped = a.copyIn("COPY jdbc_rows FROM STDIN");
        stopped.writeToCopy("6000\tx\t1\n".getBytes(), 0, 9);
        stopped.cancelCopy();
        say("nothing", ask(all.get(2), "SELECT count(*) FROM jdbc_rows WHERE id >= 5000"));
        // What writes inside WITH belongs to one shard.
        if (System.getenv("PGHERD_SHARDED") == null)
            say("deleted", ask(all.get(0), "WITH d AS (DELETE FROM jdbc_rows WHERE id >= 3000 RETURNING 1) SELECT count(*) FROM d"));
        else
            say("deleted", List.of(List.of(all.get(0).createStatement().executeUpdate("DELETE FROM jdbc_rows WHERE id >= 3000"))));
    }

    static void largeObjects(List<Connection> all) throws Exception {
        var a = all.get(0);
        a.setAutoCommit(false);
        LargeObjectManager manager = a.unwrap(PGConnection.class).getLargeObjectAPI();
        long oid = manager.createLO();
        var object = manager.open(oid, LargeObjectManager.READWRITE);
        object.write("some large text, ".repeat(5000).getBytes());
        object.seek(5);
        say("read", new String(object.read(20)), object.tell(), object.size());
        object.close();
        a.commit();
        object = manager.open(oid, LargeObjectManager.READ);
        say("again", object.size());
        object.close();
        manager.delete(oid);
        a.commit();
        say("gone", tried(() -> manager.open(oid)) instanceof String s ? s.replace(Long.toString(oid), "N") : "there");
        a.rollback();
        a.setAutoCommit(true);
    }

    static void cancels(List<Connection> all) throws Exception {
        var a = all.get(0);
        try (var s = a.createStatement()) {
            var timer = new Thread(() -> {
                try {
                    while (ask(all.get(1), SLEEPS).isEmpty()) Thread.sleep(50);
                    s.cancel();
                } catch (Exception e) {
                    System.out.println(e);
                }
            });
            timer.start();
            say("cancelled", tried(() -> s.execute("/* pgherd: shard=s1 */ SELECT pg_sleep(60) /* jdbc */")));
            timer.join();
            s.setQueryTimeout(3);
            say("timeout", tried(() -> s.execute("SELECT pg_sleep(60)")));
        }
        say("goes on", ask(a, "SELECT 1"), ask(all.get(1), "SELECT 2"));
    }

    static void settings(List<Connection> all) throws Exception {
        try (var c = connect("ApplicationName", "mine", "options", "-c work_mem=5MB", "currentSchema", "public,pg_catalog")) {
            for (var other : all) say("own", ask(c, "SHOW work_mem"), ask(c, "SHOW search_path"), ask(other, "SHOW work_mem"));
            c.setClientInfo("ApplicationName", "another");
            say("application", ask(c, "SHOW application_name"), ask(all.get(1), "SHOW application_name"));
            c.setSchema("pg_catalog");
            say("schema", c.getSchema(), c.getCatalog() != null);
            say("parameters", new TreeMap<>(c.unwrap(PGConnection.class).getParameterStatuses()).headMap("session"));
        }
        var m = all.get(0).getMetaData();
        say("tables", rows(m.getColumns(null, "public", "jdbc_rows", "%")).size(), m.getDatabaseProductVersion().substring(0, 2));
        var keys = m.getPrimaryKeys(null, "public", "jdbc_rows");
        keys.next();
        say("key", keys.getString("COLUMN_NAME"), keys.getString("PK_NAME"));
        try (var s = all.get(0).createStatement()) {
            s.execute("/* pgherd: shard=s1 */ DO $$ BEGIN RAISE WARNING 'hear %', 7; END $$");
            say("warning", s.getWarnings().getSQLState(), s.getWarnings().getMessage());
        }
    }

    static void notifications(List<Connection> all) throws Exception {
        run(all.get(0), "LISTEN jdbc_news");
        for (int i = 0; i < 3; i++) ask(all.get(1), "SELECT pg_notify('jdbc_news', ?)", "number " + i);
        var heard = new ArrayList<String>();
        for (int i = 0; i < 30 && heard.size() < 3; i++) {
            var news = all.get(0).unwrap(PGConnection.class).getNotifications(1000);
            if (news != null) for (var n : news) heard.add(n.getName() + " " + n.getParameter());
        }
        say("heard", heard);
        run(all.get(0), "UNLISTEN *");
    }

    static void simple() throws Exception {
        // The simple protocol, with the values in the text.
        try (var c = connect("preferQueryMode", "simple")) {
            say("simple", ask(c, "SELECT name, ?::int + 1, ? FROM jdbc_rows WHERE id = ?", 5, "it's \\ ü", 9L));
            say("error", tried(() -> ask(c, "SELECT ?::int", "x")));
        }
    }

    static void errors(List<Connection> all) {
        for (var text : List.of("SELEC 1", "SELECT nothing", "SELECT 'x'::int", "SELECT * FROM nothing_there", "SELECT nothing()"))
            for (var c : all.subList(0, 4)) say(text, tried(() -> ask(c, text)));
        say("empty", tried(() -> { try (var s = all.get(0).createStatement()) { return s.execute(""); } }));
    }

    public static void main(String[] arguments) throws Exception {
        TimeZone.setDefault(TimeZone.getTimeZone("UTC"));
        try (var first = connect()) {
            var all = tables(first);
            types(all);
            prepared(all);
            transactions(all);
            batches(all);
            cursors(all);
            copies(all);
            largeObjects(all);
            cancels(all);
            settings(all);
            notifications(all);
            simple();
            errors(all);
            for (var c : all) c.close();
            run(first, "DROP TABLE jdbc_rows, jdbc_types");
        }
    }
}
