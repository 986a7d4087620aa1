// The `target_features` custom section (tool conventions): which proposals a compiler counted on.
//
//   target_features := vec(prefix:u8 feature:name)

import { findCustom, type Section, sectionReader } from './sections.ts';
import { Writer } from './writer.ts';

export const targetFeaturesSection = 'target_features';

/** `+` = used, `-` = must not be used by what it is linked with, `=` = must be used by all of it. */
export type FeaturePrefix = '+' | '-' | '=';

export interface TargetFeature {
  readonly prefix: FeaturePrefix;
  readonly name: string;
}

const prefixes: Readonly<Record<number, FeaturePrefix>> = { 43: '+', 45: '-', 61: '=' };

/** The features in order; undefined without the section. @throws WGRAFT_ERR_WASM_MALFORMED */
export function readTargetFeatures(
  bytes: Uint8Array,
  sections: readonly Section[],
): TargetFeature[] | undefined {
  const section = findCustom(sections, targetFeaturesSection);
  if (section === undefined) return undefined;
  const r = sectionReader(bytes, section);
  const features = r.vector(
    'features',
    () => {
      const start = r.at;
      const prefix = prefixes[r.u8()] ?? r.fail('unknown feature prefix', start);
      return { prefix, name: r.name() };
    },
    2,
  );
  r.finish('section "target_features"');
  return features;
}

/** The payload of a `target_features` section. */
export function writeTargetFeatures(features: readonly TargetFeature[]): Uint8Array {
  const out = new Writer(128);
  out.vector(features, ({ prefix, name }) => out.u8(prefix.charCodeAt(0)).name(name));
  return out.toBytes();
}
