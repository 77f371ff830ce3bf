// Where flows happen: the client, pointed at the server by the environment alone, and shortcuts for what recurs.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import Anthropic from '@anthropic-ai/sdk';
import type { Stream } from '@anthropic-ai/sdk/core/streaming';

export const client = new Anthropic({ timeout: 20_000 });
export const { agents, environments, sessions, models } = client.beta;
export const MODEL = 'claude-test-1';
export const TOOLSET = { type: 'agent_toolset_20260401' } as const;
export const ASKING = { ...TOOLSET, default_config: { permission_policy: { type: 'always_ask' } } } as const;
export const LOOKUP = {
  type: 'custom',
  name: 'lookup',
  description: 'Looks up a customer.',
  input_schema: { type: 'object', properties: { id: { type: 'string' } }, required: ['id'] as string[] },
} as const;

export type Agent = Anthropic.Beta.BetaManagedAgentsAgent;
export type Event = Anthropic.Beta.Sessions.BetaManagedAgentsStreamSessionEvents;
type Listed = Anthropic.Beta.Sessions.BetaManagedAgentsSessionEvent;
type Sent = Anthropic.Beta.Sessions.BetaManagedAgentsEventParams;
type Kinded = { type: string };
type Of<E extends Kinded, K> = E extends { type: K } ? E : never;

export const withKey = (apiKey: string): Anthropic => client.withOptions({ apiKey });
/** A client that may only read sessions. */
export const reader = withKey(process.env['PODIUM_READER_KEY'] ?? '');
/** What the SDK's types do not allow, sent all the same. */
export const untyped = <T,>(given: unknown): T => given as T;
export const unique = (name: string): string => `${name}-${randomUUID().slice(0, 8)}`;

// --- resources -------------------------------------------------------------------------------

export async function agent(given: Partial<Anthropic.Beta.AgentCreateParams> = {}): Promise<Agent> {
  return agents.create({ name: 'worker', model: MODEL, ...given });
}

export const environment = () => environments.create({ name: unique('env'), config: { type: 'cloud' } });

/** A session of this agent in an environment of its own. */
export async function session(
  of: Agent | Exclude<Anthropic.Beta.SessionCreateParams['agent'], string>,
  given: Partial<Anthropic.Beta.SessionCreateParams> = {},
) {
  const agent = 'created_at' in of ? of.id : of;
  return sessions.create({ agent, environment_id: (await environment()).id, ...given });
}

// --- events ----------------------------------------------------------------------------------

export function message(text: string) {
  return { type: 'user.message' as const, content: [{ type: 'text' as const, text }] };
}

/** Posts these events; a text is a user.message. */
export async function send(id: string, ...events: (string | Sent)[]) {
  return sessions.events.send(id, { events: events.map((one) => (typeof one === 'string' ? message(one) : one)) });
}

/** A stream that is read a part at a time; `await using` closes it. */
export class Watched<E extends Kinded> implements AsyncDisposable {
  constructor(
    private readonly events: AsyncIterator<E>,
    private readonly close: () => unknown,
  ) {}

  /** The events up to and including the first one that is it; an error if the stream ends before. */
  async until(is: E['type'] | ((event: E) => boolean)): Promise<E[]> {
    const seen: E[] = [];
    for (let next = await this.events.next(); !next.done; next = await this.events.next()) {
      seen.push(next.value);
      if (typeof is === 'string' ? next.value.type === is : is(next.value)) return seen;
    }
    throw new assert.AssertionError({ message: `the stream ended; it said ${kinds(seen)}` });
  }

  /** What is left, to the stream's end. */
  async rest(): Promise<E[]> {
    return all({ [Symbol.asyncIterator]: () => this.events });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

const watched = <E extends Kinded>(stream: Stream<E>): Watched<E> =>
  new Watched(stream[Symbol.asyncIterator](), () => stream.controller.abort());

/** The session's stream. */
export const watch = async (id: string, ...how: Rest<typeof sessions.events.stream>) =>
  watched(await sessions.events.stream(id, ...how));

/** A thread's own stream. */
export const watchThread = async (id: string, session_id: string) =>
  watched(await sessions.threads.events.stream(id, { session_id }));

/** Opens a stream, sends, and reads until the session is idle: the recipe of the API's documentation. */
export async function turn(id: string, ...events: (string | Sent)[]): Promise<Event[]> {
  await using stream = await watch(id);
  await send(id, ...events);
  return await stream.until('session.status_idle'); // before it is closed
}

/** Waits until the session's turn is over, however far it is. */
export async function settle(id: string): Promise<void> {
  await using stream = await watch(id);
  if ((await sessions.retrieve(id)).status === 'idle') return;
  await stream.until((event) => event.type === 'session.status_idle' && event.stop_reason.type !== 'requires_action');
}

/** The session's whole list of events. */
export const listed = (id: string, given: Anthropic.Beta.Sessions.EventListParams = {}): Promise<Listed[]> =>
  all(sessions.events.list(id, { limit: 1000, ...given }));

/** A thread's own list of events. */
export const listedOf = (id: string, session_id: string, given: { limit?: number } = {}): Promise<Listed[]> =>
  all(sessions.threads.events.list(id, { session_id, ...given }));

/** The session's primary thread, and its only child if it has one. */
export async function threads(id: string) {
  const found = await all(sessions.threads.list(id));
  const [primary, ...others] = found.filter((one) => one.parent_thread_id === null);
  assert.ok(primary && others.length === 0);
  const [child, ...more] = found.filter((one) => one.parent_thread_id !== null);
  assert.equal(more.length, 0);
  return { primary, child };
}

/** The session's only child thread. */
export async function child(id: string) {
  const { child } = await threads(id);
  assert.ok(child);
  return child;
}

// --- what was said ---------------------------------------------------------------------------

/** What an event says. */
export const words = (event: object): string =>
  ('content' in event ? (event.content as { text?: string }[]) : []).map((block) => block.text ?? '').join('');
export const kinds = (events: Kinded[]): string[] => events.map((event) => event.type);
export const ids = (found: { id: string }[]): string[] => found.map((one) => one.id);

/** Those of this kind. */
export const of = <E extends Kinded, K extends E['type']>(events: E[], kind: K): Of<E, K>[] =>
  events.filter((event): event is Of<E, K> => event.type === kind);

/** The one event of this kind. */
export function only<E extends Kinded, K extends E['type']>(events: E[], kind: K): Of<E, K> {
  const [found, ...more] = of(events, kind);
  assert.ok(found && more.length === 0, `${more.length + (found ? 1 : 0)} events of the kind ${kind}`);
  return found;
}

/** The last event, which must be of this kind. */
export function last<E extends Kinded, K extends E['type']>(events: E[], kind: K): Of<E, K> {
  const found = of(events.slice(-1), kind)[0];
  assert.ok(found, `${kinds(events).at(-1)} is the last one, not ${kind}`);
  return found;
}

/** What a turn ended with. */
export const stopped = (events: Event[]) => last(events, 'session.status_idle').stop_reason;

/** These kinds came, each first seen after the one before it. */
export function inOrder(events: Kinded[], ...wanted: string[]): void {
  const at = wanted.map((kind) => kinds(events).indexOf(kind));
  assert.ok(!at.includes(-1) && at.every((place, n) => n === 0 || at[n - 1]! < place), `${wanted} in ${kinds(events)}`);
}

export async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const item of items) found.push(item);
  return found;
}

type Rest<F> = F extends (first: never, ...rest: infer R) => unknown ? R : never;
export type Class<E> = abstract new (...given: never[]) => E;

/** The error of this class that the work must end with. */
export async function raises<E extends Error>(kind: Class<E>, work: () => PromiseLike<unknown>, saying = '') {
  try {
    await work();
  } catch (error) {
    assert.ok(error instanceof kind, `${kind.name} was expected, not ${String(error)}`);
    assert.ok(error.message.includes(saying), `'${saying}' is not in ${error.message}`);
    return error;
  }
  throw new assert.AssertionError({ message: `${kind.name} was not raised` });
}
