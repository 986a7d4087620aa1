// Threads that share one memory, patched as one.

export { ThreadGroup, type ThreadGroupOptions } from './group.ts';
export { joinGroup, type Member } from './member.ts';
export type { Invitation } from './protocol.ts';
