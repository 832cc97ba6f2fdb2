// node-postgres: see README.md. NODE_PATH leads to where npm has installed pg, pg-cursor and
// pg-copy-streams.

const { pipeline } = require('node:stream/promises')
const { Readable } = require('node:stream')
const { setTimeout: sleep } = require('node:timers/promises')
const pg = require('pg')
const Cursor = require('pg-cursor')
const copy = require('pg-copy-streams')

const CLIENTS = 6

const say = (name, ...values) => console.log(`${name}:`, ...values.map((v) => JSON.stringify(v)))

const tried = async (promise) => {
  try {
    return await promise
  } catch (e) {
    return `error ${e.code} ${e.message} | ${e.detail} | ${e.hint} | ${e.position}`
  }
}

const rows = async (client, text, values) => (await client.query(text, values)).rows

async function connect(options) {
  const client = new pg.Client(options)
  await client.connect()
  return client
}

async function tables(first) {
  await first.query('DROP TABLE IF EXISTS node_rows, node_types')
  await first.query('CREATE TABLE node_rows (id bigint PRIMARY KEY, name text, n int)')
  await first.query(
    'CREATE TABLE node_types (id bigint PRIMARY KEY, num numeric, at timestamptz, day date, doc jsonb,' +
      ' ints int[], words text[], raw bytea, tag uuid, f8 float8, yes boolean, span interval, spot point)'
  )
  const all = []
  for (let i = 0; i < CLIENTS; i++) all.push(await connect())
  for (let i = 0; i < 60; i++) {
    await all[i % CLIENTS].query('INSERT INTO node_rows VALUES ($1, $2, $3)', [i, `name ${i}`, i])
  }
  return all
}

async function types(all) {
  for (let i = 0; i < 3; i++) {
    await all[i].query('INSERT INTO node_types VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)', [
      i, '12345678901234567890.0123456789', new Date(1700000000123), '2024-02-29', { a: [1, null, 'ü'] }, [1, null, -3],
      ['a,b', '"', '', null, 'ü\\'], Buffer.from([0, 39, 92, 255]), '00000000-0000-0000-0000-00000000000' + i, 1e-300,
      i % 2 == 0, '400 days 00:00:00.000007', '(1,2)',
    ])
  }
  for (const client of all) {
    for (let i = 0; i < 3; i++) {
      const got = await client.query({ name: 'types', text: 'SELECT * FROM node_types WHERE id = $1', values: [i] })
      if (i == 0) say('row', got.rows, got.command, got.rowCount, got.fields.map((f) => [f.name, f.dataTypeID, f.dataTypeSize, f.format]))
    }
    // Binary results.
    const binary = await client.query({ text: 'SELECT id, yes, f8 FROM node_types WHERE id = $1', values: [1], binary: true })
    say('binary', binary.rows)
    say('arrays', (await client.query({ text: 'SELECT id, words FROM node_types WHERE id = $1', values: [2], rowMode: 'array' })).rows)
  }
}

async function prepared(all) {
  for (let turn = 0; turn < 3; turn++) {
    for (let i = 0; i < 60; i++) {
      const [row] = await rows(all[(i + turn) % CLIENTS], { name: `s${i}`, text: `SELECT ${i} AS i, name FROM node_rows WHERE id = $1`, values: [i] })
      if (row.i !== i || row.name !== `name ${i}`) say('mixed up', i, row)
    }
  }
  // All clients at once, each with a queue of queries of its own.
  const got = await Promise.all(
    all.flatMap((client, c) => [...Array(20).keys()].map((i) => rows(client, { name: 'q', text: 'SELECT n + $2 AS n FROM node_rows WHERE id = $1', values: [i, c] })))
  )
  say('at once', got.reduce((sum, [row]) => sum + row.n, 0))
  const star = { name: 'star', text: 'SELECT * FROM node_rows WHERE id = $1', values: [7] }
  for (const client of all) await client.query(star)
  await all[5].query('ALTER TABLE node_rows ADD COLUMN more int DEFAULT 5')
  for (const client of all.slice(0, 3)) {
    // Postgres refuses its old plan; pgherd may prepare anew, since the driver asks for a
    // description each time.
    const after = await tried(rows(client, star))
    say('after ALTER', typeof after === 'string' ? /^error 0A000 cached plan must not/.test(after) : after[0].more === 5)
  }
  await all[5].query('ALTER TABLE node_rows DROP COLUMN more')
  say('another text', await tried(all[0].query({ name: 'q', text: 'SELECT 1' })))
}

async function transactions(all) {
  const [a, b] = all
  await a.query('BEGIN')
  await a.query('UPDATE node_rows SET n = n + 100 WHERE id = 1')
  say('not seen yet', await rows(b, 'SELECT n FROM node_rows WHERE id = 1'))
  await a.query('SAVEPOINT s')
  say('twice', await tried(rows(a, 'INSERT INTO node_rows VALUES ($1)', [1])))
  say('failed', await tried(rows(a, 'SELECT 1')))
  await a.query('ROLLBACK TO s')
  say('goes on', await rows(a, 'SELECT n FROM node_rows WHERE id = $1', [1]))
  say('commit', (await a.query('COMMIT')).command)
  say('seen', await rows(b, 'SELECT n FROM node_rows WHERE id = 1'))
  await a.query('BEGIN ISOLATION LEVEL SERIALIZABLE READ ONLY')
  say('level', await rows(a, 'SHOW transaction_isolation'), await tried(rows(a, 'DELETE FROM node_rows WHERE id = 1')))
  say('rolled back', (await a.query('COMMIT')).command)
  const several = await a.query("SELECT 1 AS a; SELECT 'x' AS b; UPDATE node_rows SET n = n WHERE id < 3")
  say('several', several.map((r) => [r.command, r.rowCount, r.rows]))
}

async function pools() {
  const pool = new pg.Pool({ max: CLIENTS, idleTimeoutMillis: 1000 })
  const got = await Promise.all([...Array(40).keys()].map((i) => pool.query('SELECT name FROM node_rows WHERE id = $1', [i])))
  say('pool', got.map((r) => r.rows[0].name).join())
  const client = await pool.connect()
  await client.query('BEGIN')
  await client.query('DISCARD ALL').catch((e) => say('DISCARD', e.code))
  await client.query('ROLLBACK')
  await client.query('DISCARD ALL')
  client.release()
  await pool.end()
}

async function cursors(all) {
  const [a, b] = all
  const text = 'SELECT g, name FROM node_rows, generate_series(1, 100) g WHERE id = $1 ORDER BY 1'
  await a.query('BEGIN')
  await b.query('BEGIN')
  const [one, two] = [a.query(new Cursor(text, [1])), b.query(new Cursor(text, [2]))]
  say('first', await one.read(3), await two.read(2))
  const rest = []
  for (const count of [40, 100]) rest.push((await one.read(count)).length, (await two.read(count)).length)
  say('rest', rest)
  await one.close()
  await two.close()
  await a.query('COMMIT')
  await b.query('COMMIT')
  const alone = all[2].query(new Cursor(text, [3]))
  say('alone', (await alone.read(10)).length)
  await alone.close()
  say('after', await rows(all[2], 'SELECT 1 AS one'))
}

async function copies(all) {
  const [a, b] = all
  const lines = [...Array(1000).keys()].map((i) => `${3000 + i}\tü${'x'.repeat(i % 50)}\t${i}\n`)
  const into = a.query(copy.from('COPY node_rows FROM STDIN'))
  await pipeline(Readable.from(lines), into)
  say('in', into.rowCount)
  const out = b.query(copy.to('COPY (SELECT * FROM node_rows WHERE id >= 3995 ORDER BY id) TO STDOUT'))
  let text = ''
  for await (const part of out) text += part
  say('out', text)
  say('wrong', await tried(pipeline(Readable.from(['5000\tx\tno number\n']), a.query(copy.from('COPY node_rows FROM STDIN')))))
  const stopped = a.query(copy.from('COPY node_rows FROM STDIN'))
  stopped.on('error', () => {})
  stopped.write('6000\tx\t1\n')
  stopped.destroy(new Error('given up'))
  await new Promise((closed) => stopped.once('close', closed))
  say('nothing', await rows(a, 'SELECT count(*) FROM node_rows WHERE id >= 5000'))
  say('deleted', (await a.query('DELETE FROM node_rows WHERE id >= 3000')).rowCount)
}

async function cancels(all) {
  const [a, b] = all
  const sleeping = tried(rows(a, '/* pgherd: shard=s1 */ SELECT pg_sleep(60) /* node */'))
  const sleeps =
    "SELECT 1 FROM pg_stat_activity WHERE query LIKE '%60) /* node */'" +
    " AND state = 'active' AND datname = current_database()"
  while ((await rows(b, sleeps)).length == 0) await sleep(50)
  const other = new pg.Client()
  other.cancel(a, a.activeQuery ?? a._activeQuery)
  say('cancelled', await sleeping)
  say('goes on', await rows(a, 'SELECT 1 AS one'), await rows(b, 'SELECT 2 AS two'))
  const hurried = await connect({ statement_timeout: 200 })
  say('timeout', await tried(rows(hurried, 'SELECT pg_sleep(60)')))
  await hurried.end()
}

async function settings(all) {
  const own = await connect({ application_name: 'mine', options: '-c work_mem=5MB' })
  for (const other of all) {
    say('own', await rows(own, 'SHOW work_mem'), await rows(own, 'SHOW application_name'), await rows(other, 'SHOW work_mem'))
  }
  const heard = []
  own.on('notice', (n) => heard.push([n.severity, n.code, n.message]))
  await own.query("/* pgherd: shard=s1 */ DO $$ BEGIN RAISE WARNING 'hear %', 7; END $$")
  say('notice', heard)
  await own.query("SET TIME ZONE 'Asia/Tokyo'")
  say('zone', await rows(own, "SELECT '2024-01-01 00:00Z'::timestamptz::text AS at"), await rows(all[0], 'SHOW timezone'))
  await own.end()
}

async function notifications(all) {
  const [a, b] = all
  const heard = []
  const three = new Promise((done) => {
    a.on('notification', (n) => {
      heard.push([n.channel, n.payload])
      if (heard.length == 3) done()
    })
  })
  await a.query('LISTEN node_news')
  for (let i = 0; i < 3; i++) await b.query("SELECT pg_notify('node_news', $1)", [`number ${i}`])
  await three
  say('heard', heard)
  await a.query('UNLISTEN *')
}

async function errors(all) {
  for (const text of ['SELEC 1', 'SELECT nothing', "SELECT 'x'::int", 'SELECT * FROM nothing_there', 'SELECT nothing()']) {
    say(text, await tried(all[0].query(text)), await tried(all[1].query({ name: text, text })))
  }
  say('empty', (await all[0].query('')).command)
  say('two in one', await tried(all[0].query('SELECT 1; SELECT $1::int', [1])))
  say('wrong count', await tried(all[0].query('SELECT $1::int', [1, 2])))
}

async function main() {
  const first = await connect()
  const all = await tables(first)
  for (const part of [types, prepared, transactions, pools, cursors, copies, cancels, settings, notifications, errors]) {
    console.log('==', part.name)
    await part(all)
  }
  for (const client of all) await client.end()
  await first.query('DROP TABLE node_rows, node_types')
  await first.end()
}

main().catch((e) => {
  console.error(e)
  process.exit(1)
})
