// The `producers` custom section (tool conventions): which languages and tools made a module.
//
//   producers := vec(field:name vec(tool:name version:name))

import { findCustom, type Section, sectionReader } from './sections.ts';
import { Writer } from './writer.ts';

export const producersSection = 'producers';

export interface Producer {
  readonly name: string;
  /** May be empty. */
  readonly version: string;
}

export interface ProducerField {
  /** `language`, `processed-by` or `sdk`. */
  readonly name: string;
  readonly producers: readonly Producer[];
}

/** The fields in order; undefined without the section. @throws WGRAFT_ERR_WASM_MALFORMED */
export function readProducers(bytes: Uint8Array, sections: readonly Section[]): ProducerField[] | undefined {
  const section = findCustom(sections, producersSection);
  if (section === undefined) return undefined;
  const r = sectionReader(bytes, section);
  const producer = (): Producer => ({ name: r.name(), version: r.name() });
  const field = (): ProducerField => ({ name: r.name(), producers: r.vector('producers', producer, 2) });
  const fields = r.vector('producer fields', field, 2);
  r.finish('section "producers"');
  return fields;
}

/** The payload of a `producers` section. */
export function writeProducers(fields: readonly ProducerField[]): Uint8Array {
  const out = new Writer(128);
  out.vector(fields, (field) => {
    out.name(field.name).vector(field.producers, (p) => out.name(p.name).name(p.version));
  });
  return out.toBytes();
}

/** Adds a tool to a field, at its end; a tool of that name is there only once and gets the new version. */
export function addProducer(
  fields: readonly ProducerField[],
  field: string,
  producer: Producer,
): ProducerField[] {
  const known = fields.find((f) => f.name === field);
  if (known === undefined) return [...fields, { name: field, producers: [producer] }];
  const place = known.producers.findIndex((p) => p.name === producer.name);
  const producers = place < 0 ? [...known.producers, producer] : known.producers.with(place, producer);
  return fields.map((f) => (f === known ? { name: field, producers } : f));
}
