// SQLite (sql.js, Emscripten): tables, indexes, triggers, joins, window functions, recursion, functions written in
// JavaScript, refused rows, an integrity check and the bytes of the database file.

import { digest, numbers } from './digest.ts';
import { freshRequire } from './fresh.ts';
import { loadThrough } from './load.ts';
import type { Loader, Running, Workload } from './workload.ts';

interface Statement {
  run(values: readonly unknown[]): void;
  free(): void;
}

interface Database {
  run(sql: string, values?: readonly unknown[]): void;
  exec(sql: string): { columns: string[]; values: unknown[][] }[];
  prepare(sql: string): Statement;
  create_function(name: string, body: (...values: never[]) => unknown): void;
  export(): Uint8Array;
  close(): void;
}

interface SqlJs {
  Database: new () => Database;
}

export const sqlJs: Workload = {
  name: 'sql.js',
  traits: ['c', 'emscripten'],
  start,
};

async function start(loader: Loader): Promise<Running> {
  const sql = await loadThrough(loader, () => freshRequire<() => Promise<SqlJs>>('sql.js')());
  return { work: async (scale = 1) => work(new sql.Database(), Math.ceil(3000 * scale)) };
}

const schema = `
  PRAGMA foreign_keys = ON;
  CREATE TABLE customer (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, city TEXT NOT NULL);
  CREATE TABLE sale (id INTEGER PRIMARY KEY, customer INTEGER NOT NULL REFERENCES customer, item TEXT NOT NULL,
    quantity INTEGER NOT NULL CHECK (quantity > 0), price REAL NOT NULL);
  CREATE INDEX sale_item ON sale (item, quantity);
  CREATE TABLE log (sale INTEGER, was INTEGER, became INTEGER);
  CREATE TRIGGER changed AFTER UPDATE OF quantity ON sale
    BEGIN INSERT INTO log VALUES (old.id, old.quantity, new.quantity); END;`;

const queries = [
  'SELECT city, count(*), sum(quantity), round(sum(quantity * price), 2) FROM sale JOIN customer ON customer.id = sale.customer GROUP BY city ORDER BY city',
  'SELECT item, max(quantity), group_concat(DISTINCT city) FROM (SELECT * FROM sale JOIN customer ON customer.id = sale.customer ORDER BY city) GROUP BY item HAVING count(*) > 3 ORDER BY 1',
  `SELECT id, sum(quantity) OVER (PARTITION BY customer ORDER BY id), rank() OVER (ORDER BY price DESC, id) FROM sale WHERE item LIKE '%a%' ORDER BY id`,
  'WITH RECURSIVE n(i, f, g) AS (SELECT 1, 0, 1 UNION ALL SELECT i + 1, g, f + g FROM n WHERE i < 80) SELECT i, f FROM n',
  "SELECT upper(hex(substr(name, 1, 4))), instr(name, '7'), printf('%08.3f|%x', id / 7.0, id) FROM customer ORDER BY name DESC LIMIT 50",
  'SELECT count(*), sum(squared(quantity)) FROM sale WHERE customer IN (SELECT id FROM customer WHERE city > (SELECT min(city) FROM customer))',
  'EXPLAIN QUERY PLAN SELECT * FROM sale WHERE item = 1 AND quantity > 3',
  'SELECT sum(became - was), count(*) FROM log',
  'PRAGMA integrity_check',
];

const mandelbrot = `
  WITH RECURSIVE
    xaxis(x) AS (VALUES(-2.0) UNION ALL SELECT x + 0.1 FROM xaxis WHERE x < 1.2),
    yaxis(y) AS (VALUES(-1.0) UNION ALL SELECT y + 0.2 FROM yaxis WHERE y < 1.0),
    m(iter, cx, cy, x, y) AS (
      SELECT 0, x, y, 0.0, 0.0 FROM xaxis, yaxis
      UNION ALL SELECT iter + 1, cx, cy, x*x - y*y + cx, 2.0*x*y + cy FROM m WHERE x*x + y*y < 4.0 AND iter < 28)
  SELECT cy, group_concat(substr(' .+*#', 1 + min(depth / 7, 4), 1), '')
  FROM (SELECT max(iter) AS depth, cx, cy FROM m GROUP BY cx, cy) GROUP BY cy`;

function work(db: Database, rows: number): string {
  try {
    db.run(schema);
    db.create_function('squared', (n: number) => n * n);
    fill(db, rows);
    const refused = [
      refusal(db, 'INSERT INTO customer VALUES (1, 2, 3)'),
      refusal(db, 'SELECT * FROM nowhere'),
    ];
    db.run('UPDATE sale SET quantity = quantity + 1 WHERE id % 3 = 0');
    db.run('DELETE FROM sale WHERE id % 11 = 5; VACUUM');
    const answers = [...queries, mandelbrot].map((query) => db.exec(query).map((answer) => answer.values));
    return `${rows} rows, answers ${digest([answers, refused])}, file ${digest(db.export())}`;
  } finally {
    db.close();
  }
}

function fill(db: Database, rows: number): void {
  const random = numbers(7);
  const cities = ['Aachen', 'Brno', 'Cádiz', 'Dresden', 'Espoo', 'Faro', '東京'];
  const customers = Math.max(1, Math.floor(rows / 10));
  db.run('BEGIN');
  const customer = db.prepare('INSERT INTO customer VALUES (?, ?, ?)');
  for (let id = 1; id <= customers; id++)
    customer.run([id, `customer ${id * 7919}`, cities[Math.floor(random() * cities.length)]]);
  customer.free();
  const sale = db.prepare('INSERT INTO sale (customer, item, quantity, price) VALUES (?, ?, ?, ?)');
  for (let i = 0; i < rows; i++) {
    const item = `item ${Math.floor(random() * 200).toString(36)}`;
    sale.run([1 + Math.floor(random() * customers), item, 1 + Math.floor(random() * 9), random() * 100]);
  }
  sale.free();
  db.run('COMMIT');
}

function refusal(db: Database, sql: string): string {
  try {
    db.run(sql);
    return 'accepted';
  } catch (error) {
    return String(error);
  }
}
