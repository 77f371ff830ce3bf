// Errors: each class of the SDK that the server can cause, with its body.
import assert from 'node:assert/strict';
import Anthropic, { APIError } from '@anthropic-ai/sdk';
import { script } from './script.mjs';
import * as w from './world.mjs';

/** The error of this class that the work ends with; its body is the API's. */
async function shaped(of: w.Class<APIError>, status: number, kind: string, work: () => PromiseLike<unknown>) {
  const error = await w.raises(of, work);
  const body = w.untyped<{ type: string; error: { type: string; message: string }; request_id: string }>(error.error);
  assert.deepEqual([error.status, error.type], [status, kind]);
  assert.deepEqual(Object.keys(body).sort(), ['error', 'request_id', 'type']);
  assert.deepEqual([body.type, body.error.type], ['error', kind]);
  assert.ok(body.error.message);
  assert.match(body.request_id, /^req_/);
  assert.equal(error.requestID, body.request_id, 'the header says the same');
  return error;
}

async function eachStatusHasItsClass(): Promise<void> {
  const agent = await w.agent();
  const session = await w.session(agent);
  const nameless = () => w.agent({ name: w.untyped<string>(null) });
  await shaped(Anthropic.BadRequestError, 400, 'invalid_request_error', nameless);
  const stranger = w.withKey('podium_nobody_nothing_0');
  await shaped(Anthropic.AuthenticationError, 401, 'authentication_error', () => stranger.beta.agents.list());
  const made = () => w.reader.beta.agents.create({ name: 'mine', model: 'any' });
  await shaped(Anthropic.PermissionDeniedError, 403, 'permission_error', made);
  assert.equal((await w.reader.beta.sessions.retrieve(session.id)).id, session.id, 'what it may do, it may');
  await shaped(Anthropic.NotFoundError, 404, 'not_found_error', () => w.sessions.retrieve('sesn_unknown'));
  await w.agents.update(agent.id, { version: 1, name: 'second' });
  const stale = () => w.agents.update(agent.id, { version: 1, name: 'third' });
  await shaped(Anthropic.ConflictError, 409, 'conflict_error', stale);
}

async function aBodyMayBeSoLargeAndNoLarger(): Promise<void> {
  const huge = () => w.agent({ system: 'x'.repeat(33 << 20) });
  await shaped(APIError, 413, 'request_too_large', huge);
}

async function whatIsNotHereYetIsNotFound(): Promise<void> {
  for (const name of ['files', 'skills', 'vaults', 'deployments', 'memory_stores', 'nonsense']) {
    await shaped(Anthropic.NotFoundError, 404, 'not_found_error', () => w.client.get(`/v1/${name}`));
  }
}

async function anotherMethodIsRefused(): Promise<void> {
  const put = () => w.client.put('/v1/agents', { body: {} });
  const error = await shaped(APIError, 405, 'invalid_request_error', put);
  assert.match(error.headers?.get('allow') ?? '', /POST/);
}

async function eitherHeaderCarriesTheKey(): Promise<void> {
  const key = w.client.apiKey;
  const bearer = new Anthropic({ authToken: key, apiKey: null });
  assert.ok(Array.isArray((await bearer.beta.agents.list({ limit: 1 })).data));
  const headers = { 'x-api-key': key, Authorization: null, 'anthropic-version': '1999-01-01' };
  const plain = await w.client.get<{ data: unknown[] }>('/v1/agents?beta=true', { headers });
  assert.ok(Array.isArray(plain.data));
}

async function aKeyOfIdempotencyMakesOneSessionOfTwoPosts(): Promise<void> {
  const [agent, environment] = [await w.agent(), await w.environment()];
  const given = { agent: agent.id, environment_id: environment.id, initial_events: [w.message(script('hello'))] };
  const keyed = { headers: { 'Idempotency-Key': agent.id } };

  const first = await w.sessions.create(given, keyed);
  const second = await w.sessions.create(given, keyed);

  assert.equal(first.id, second.id);
  const other = () => w.sessions.create({ ...given, title: 'another' }, keyed);
  await w.raises(Anthropic.BadRequestError, other, 'dempotency');
}

export const FLOWS = [
  eachStatusHasItsClass,
  aBodyMayBeSoLargeAndNoLarger,
  whatIsNotHereYetIsNotFound,
  anotherMethodIsRefused,
  eitherHeaderCarriesTheKey,
  aKeyOfIdempotencyMakesOneSessionOfTwoPosts,
];
