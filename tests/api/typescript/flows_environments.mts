// Environments, and the list of models.
import assert from 'node:assert/strict';
import Anthropic from '@anthropic-ai/sdk';
import * as w from './world.mjs';

async function anEnvironmentLives(): Promise<void> {
  const name = w.unique('env');
  const given = { name, description: 'For tests.', metadata: { a: '1' } };
  const made = await w.environments.create({ ...given, config: { type: 'cloud' } });
  assert.equal(made.type, 'environment');
  assert.deepEqual({ name: made.name, description: made.description, metadata: made.metadata }, given);
  assert.ok(made.config.type === 'cloud');
  assert.equal(made.config.networking.type, 'unrestricted');
  assert.deepEqual(made.config.packages.pip, []);
  assert.ok(Date.parse(made.created_at) <= Date.parse(made.updated_at));
  assert.equal(made.archived_at, null);
  assert.deepEqual(await w.environments.retrieve(made.id), made);

  const changed = await w.environments.update(made.id, { name: `${name}-2`, metadata: { a: null, b: '2' } });
  assert.deepEqual([changed.name, changed.metadata], [`${name}-2`, { b: '2' }]);

  assert.ok((await w.environments.archive(made.id)).archived_at);
  const agent = await w.agent();
  const gone = () => w.sessions.create({ agent: agent.id, environment_id: made.id });
  await w.raises(Anthropic.BadRequestError, gone, 'environment_id');

  assert.deepEqual(await w.environments.delete(made.id), { id: made.id, type: 'environment_deleted' });
  await w.raises(Anthropic.NotFoundError, () => w.environments.retrieve(made.id));
}

async function environmentsAreListedInPages(): Promise<void> {
  const made: string[] = [];
  for (let n = 0; n < 3; n++) made.unshift((await w.environment()).id);
  const first = await w.environments.list({ limit: 2 });
  assert.deepEqual(w.ids(first.data), made.slice(0, 2));
  assert.equal((await first.getNextPage()).data[0]?.id, made[2]);

  await w.environments.archive(made[1]!);
  assert.ok(!w.ids(await w.all(w.environments.list({ limit: 100 }))).includes(made[1]!));
  assert.ok(w.ids(await w.all(w.environments.list({ limit: 100, include_archived: true }))).includes(made[1]!));
}

async function anEnvironmentWithSessionsIsNotDeleted(): Promise<void> {
  const session = await w.session(await w.agent());

  await w.raises(Anthropic.BadRequestError, () => w.environments.delete(session.environment_id));

  await w.sessions.delete(session.id);
  assert.equal((await w.environments.delete(session.environment_id)).type, 'environment_deleted');
}

async function whatTheSandboxCannotDoIsRefused(): Promise<void> {
  const configs: Anthropic.Beta.EnvironmentCreateParams['config'][] = [
    { type: 'cloud', networking: { type: 'limited', allowed_hosts: ['example.com'] } },
    { type: 'cloud', packages: { type: 'packages', pip: ['requests'] } },
    { type: 'self_hosted' },
  ];
  for (const config of configs) {
    await w.raises(Anthropic.BadRequestError, () => w.environments.create({ name: w.unique('env'), config }), 'config');
  }
}

async function modelsAreListed(): Promise<void> {
  const found = (await w.all(w.models.list())).find((one) => one.id === w.MODEL);
  assert.equal(found?.type, 'model');
  assert.deepEqual(await w.models.retrieve(w.MODEL), found);
  await w.raises(Anthropic.NotFoundError, () => w.models.retrieve('no-such-model'));
}

export const FLOWS = [
  anEnvironmentLives,
  environmentsAreListedInPages,
  anEnvironmentWithSessionsIsNotDeleted,
  whatTheSandboxCannotDoIsRefused,
  modelsAreListed,
];
