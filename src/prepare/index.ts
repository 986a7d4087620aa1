// A kernel in, a prepared module out.

export { type Prepared, type PrepareOptions, type PrepareReport, prepare } from './prepare.ts';
