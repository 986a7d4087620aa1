// SQLite's own build.

import sqlite3InitModule from '@sqlite.org/sqlite-wasm';

export async function start() {
  const { oo1 } = await sqlite3InitModule({ print() {}, printErr() {} });
  const database = new oo1.DB(':memory:');
  database.exec('CREATE TABLE t (a)');
  return (line) => {
    database.exec({ sql: 'INSERT INTO t VALUES (?)', bind: [line] });
    return [database.selectValue('SELECT group_concat(a) FROM t'), database.changes()];
  };
}
