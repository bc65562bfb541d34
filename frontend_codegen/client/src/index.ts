/** Typed documents, a client with resumable subscriptions, and the parts it is made of. No React here: see `./urql`. */
export * from './generated/graphql.js';
export { createFabulaClient, type FabulaClient, type FabulaClientOptions } from './client.js';
export { createSession, type Session, type SessionOptions } from './session.js';
export { subscribeResumable } from './resume.js';
export {
  type GenerationEvent,
  initialStreamState,
  reduceStream,
  type StreamCitation,
  type StreamState,
  type StreamTerminal,
} from './stream.js';
export { watchGeneration, type WatchSink } from './watch.js';
export { createTextPainter, type TextPainter } from './painter.js';
export { createTokenStream, type TokenStream, type TokenStreamView } from './token-stream.js';
