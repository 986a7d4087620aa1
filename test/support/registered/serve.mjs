// Runs one of apps/: programs as their users write them, on unchanged packages. Prints `ready`; a line on stdin is a question,
// answered by one line of JSON.

import { createInterface } from 'node:readline';

const [app, ...args] = process.argv.slice(2);
const { start } = await import(new URL(`./apps/${app}.mjs`, import.meta.url));
const ask = await start(...args);
console.log('ready');
for await (const line of createInterface(process.stdin)) console.log(JSON.stringify(await ask(line)));
process.exit();
