// A SQL server on sql.js: POST a statement, get its last row and how many rows were changed.

import { createServer } from 'node:http';
import { text } from 'node:stream/consumers';
import initSqlJs from 'sql.js/dist/sql-wasm-debug.js';

export async function start() {
  const { Database } = await initSqlJs();
  const database = new Database();
  const server = createServer(async (request, response) => {
    const rows = database.exec(await text(request)).flatMap(({ values }) => values);
    response.end(JSON.stringify({ row: rows.at(-1), changed: database.getRowsModified() }));
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${server.address().port}`;
  return async (line) => {
    if (line === 'url') return url;
    return (await fetch(url, { method: 'POST', body: line })).json();
  };
}
