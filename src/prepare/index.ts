// A kernel in, a prepared module out.

export { type CachedModule, type CacheOptions, prepareCached } from './cache.ts';
export { type Prepared, type PrepareOptions, type PrepareReport, prepare } from './prepare.ts';
