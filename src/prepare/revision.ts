// Which form prepared modules have, for the cache's key: between two versions of the package it changes too. It is the beginning of a
// hash over prepared fixtures; test/unit/prepare/revision.test.ts says what to write here when the form changed.

export const revision = '767c084136a7';
