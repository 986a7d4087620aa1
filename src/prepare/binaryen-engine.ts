import type { WasmModule, Writer } from '../wasm/index.ts';
import type { Plan } from './plan.ts';
export async function rewriteWithBinaryen(
  _m: WasmModule,
  _plan: Plan,
): Promise<{ out: Writer; dropped: readonly string[] }> {
  throw new Error('being written');
}
