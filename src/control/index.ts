// The control socket: `listen` inside the program, `connect` and `discover` outside. Importing this room loads the JSON-RPC
// library and the validator; src/index.ts does so only when `listen` is called.

export { type ConnectOptions, type ControlClient, connect } from './client.ts';
export { type FindOptions, findTarget, type SocketEntry, showEntry } from './discover.ts';
export { type Hello, protocol } from './protocol.ts';
export { type ControlServer, type ListenOptions, listen } from './server.ts';
export { defaultFolder, isControlName } from './socket-folder.ts';
export { type Discovery, discover, type Found } from './survey.ts';
