// A kernel in, a prepared module out.

export { guardedCode } from './additions.ts';
export {
  type CachedModule,
  type CacheOptions,
  forgetCached,
  prepareCached,
  prepareCachedSync,
} from './cache.ts';
export { type Prepared, type PrepareOptions, type PrepareReport, prepare, prepareSync } from './prepare.ts';
export type { SourceMapOption } from './source-map.ts';
