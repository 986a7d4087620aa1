// A Node HTTP server on SQLite (sql.js) with a database in memory: its state lives in Wasm, so a restart would lose it.
//
//   POST /sql   body: one SQL statement   ->  JSON rows, or 400 with SQLite's message
//
// The only lines that wgraft asks of a host are the two marked below.

import { readFileSync } from 'node:fs';
import { createServer, type ServerResponse } from 'node:http';
import { createRequire } from 'node:module';
import { text } from 'node:stream/consumers';
import type { SqlJsStatic } from 'sql.js';
import { instantiate, listen } from '../../src/index.ts';

const require = createRequire(import.meta.url);
// The debug build, because it exports SQLite's functions under their own names; the release build works with #NUMBERS.
const initSqlJs = require('sql.js/dist/sql-wasm-debug.js') as (options: object) => Promise<SqlJsStatic>;
const prepared = readFileSync(process.argv[2] ?? 'sqlite.slots.wasm');

const { Database } = await initSqlJs({
  instantiateWasm(imports: WebAssembly.Imports, done: (instance: WebAssembly.Instance) => void) {
    void instantiate(prepared, imports, { name: 'sqlite' }).then(({ instance }) => done(instance)); // wgraft: 1
    return {};
  },
});
const database = new Database();
await listen({ name: 'sqlite-server' }); // wgraft: 2

const server = createServer(async (request, response) => {
  const statement = await text(request);
  try {
    answer(response, 200, database.exec(statement)[0]?.values ?? []);
  } catch (error) {
    answer(response, 400, { error: error instanceof Error ? error.message : String(error) });
  }
});
server.listen(0, '127.0.0.1', () => {
  const address = server.address();
  console.log(typeof address === 'object' ? `listening on ${address?.port}, pid ${process.pid}` : address);
});

function answer(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}
