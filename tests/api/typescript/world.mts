// The client, pointed at the server by the environment alone, and shortcuts for what recurs.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import Anthropic from '@anthropic-ai/sdk';

export const client = new Anthropic({ timeout: 20_000 });
export const { agents, environments, sessions } = client.beta;
export const MODEL = 'claude-test-1';

export type Agent = Anthropic.Beta.BetaManagedAgentsAgent;
export type Event = Anthropic.Beta.Sessions.BetaManagedAgentsStreamSessionEvents;
export type Sent = Anthropic.Beta.Sessions.BetaManagedAgentsEventParams;
type Of<K extends Event['type']> = Extract<Event, { type: K }>;
type Block = Record<string, unknown>;

/** What the model is told to reply: see tests/api/sdk/script.py. */
export function script(...replies: (string | Block | Block[])[]): string {
  const listed = replies.map((one) => (typeof one === 'string' ? say(one) : one));
  return JSON.stringify({ replies: listed.map((one) => (Array.isArray(one) ? one : [one])), id: randomUUID() });
}

export const say = (text: string): Block => ({ type: 'text', text });
export const call = (name: string, input: Block): Block => ({ type: 'tool_use', id: `toolu_${randomUUID()}`, name, input });
export const WAIT: Block = { type: 'wait' };

export const message = (text: string): Sent => ({ type: 'user.message', content: [{ type: 'text', text }] });
export const words = (event: object): string =>
  ('content' in event ? (event.content as { text?: string }[]) : []).map((block) => block.text ?? '').join('');
export const unique = (name: string): string => `${name}-${randomUUID().slice(0, 8)}`;

export async function agent(given: Partial<Anthropic.Beta.AgentCreateParams> = {}): Promise<Agent> {
  return agents.create({ name: 'worker', model: MODEL, ...given });
}

export async function session(of: Agent) {
  const environment = await environments.create({ name: unique('env') });
  return sessions.create({ agent: of.id, environment_id: environment.id });
}

/** Opens a stream, sends, and reads until the session is idle: the recipe of the API's documentation. */
export async function turn(id: string, events: Sent[], until: Event['type'] = 'session.status_idle'): Promise<Event[]> {
  const stream = await sessions.events.stream(id);
  await sessions.events.send(id, { events });
  return read(stream, until);
}

/** Waits until the session's turn is over, however far it is. */
export async function settle(id: string): Promise<void> {
  const stream = await sessions.events.stream(id);
  if ((await sessions.retrieve(id)).status === 'idle') return stream.controller.abort();
  for await (const event of stream) {
    if (event.type === 'session.status_idle' && event.stop_reason.type !== 'requires_action') return;
  }
}

export async function read(stream: AsyncIterable<Event>, until: Event['type']): Promise<Event[]> {
  const seen: Event[] = [];
  for await (const event of stream) {
    seen.push(event);
    if (event.type === until) return seen;
  }
  throw new assert.AssertionError({ message: `the stream ended; it said ${seen.map((event) => event.type)}` });
}

export function of<K extends Event['type']>(events: Event[], kind: K): Of<K>[] {
  return events.filter((event): event is Of<K> => event.type === kind);
}

export function only<K extends Event['type']>(events: Event[], kind: K): Of<K> {
  const [found, ...more] = of(events, kind);
  assert.ok(found && more.length === 0, `${more.length + (found ? 1 : 0)} events of the kind ${kind}`);
  return found;
}

export async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const item of items) found.push(item);
  return found;
}

export async function raises(kind: new (...given: never[]) => Error, work: () => PromiseLike<unknown>): Promise<Error> {
  try {
    await work();
  } catch (error) {
    assert.ok(error instanceof kind, `${kind.name} was expected, not ${String(error)}`);
    return error;
  }
  throw new assert.AssertionError({ message: `${kind.name} was not raised` });
}
