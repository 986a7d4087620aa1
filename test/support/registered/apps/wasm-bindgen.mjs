// A Rust library behind wasm-bindgen's glue.

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { initWasm, Resvg } from '@resvg/resvg-wasm';

export async function start() {
  const file = createRequire(import.meta.url).resolve('@resvg/resvg-wasm/index_bg.wasm');
  await initWasm(readFileSync(file));
  const drawing = new Resvg('<svg xmlns="http://www.w3.org/2000/svg" width="120" height="30"/>');
  return () => [drawing.width, drawing.height];
}
