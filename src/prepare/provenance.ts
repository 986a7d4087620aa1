// What a prepared module says of its making: `producers` names wgraft among the tools, `target_features` the proposals
// that the additions need.

import { version } from '../version.ts';
import {
  addProducer,
  readProducers,
  readTargetFeatures,
  type Section,
  type TargetFeature,
  type WasmModule,
  writeProducers,
  writeTargetFeatures,
} from '../wasm/index.ts';
import type { Plan } from './plan.ts';

const wgraft = { name: 'wgraft', version };

/** The `producers` payload with wgraft in it; a new one for a module without. @throws WGRAFT_ERR_WASM_MALFORMED */
export function addToProducers(m: WasmModule, section?: Section): Uint8Array {
  const known = section === undefined ? [] : (readProducers(m.bytes, [section]) ?? []);
  return writeProducers(addProducer(known, 'processed-by', wgraft));
}

/** The `target_features` payload with the needs of the additions. @throws WGRAFT_ERR_WASM_MALFORMED */
export function addFeatures(m: WasmModule, section: Section, plan: Plan): Uint8Array {
  const features = [...(readTargetFeatures(m.bytes, [section]) ?? [])];
  for (const name of neededFeatures(plan)) addFeature(features, name);
  return writeTargetFeatures(features);
}

/** Passive segments; a table that is not the first; the program's mutable globals, exported; and the redirects. */
function neededFeatures(plan: Plan): string[] {
  const always = ['bulk-memory', 'mutable-globals', 'reference-types'];
  return plan.guards === 0 ? always : [...always, 'tail-call'];
}

/** Linkers write features in the order of their names. */
function addFeature(features: TargetFeature[], name: string): void {
  const known = features.findIndex((f) => f.name === name);
  if (known >= 0) {
    if (features[known]?.prefix === '-') features[known] = { prefix: '+', name };
    return;
  }
  const next = features.findIndex((f) => f.name > name);
  features.splice(next < 0 ? features.length : next, 0, { prefix: '+', name });
}
