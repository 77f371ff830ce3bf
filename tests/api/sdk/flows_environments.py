"""Environments, and the list of models."""

import anthropic

from tests.api.sdk.world import MODEL, World, raises, unique


def an_environment_lives(world: World) -> None:
    environments = world.beta.environments
    name = unique("env")
    made = environments.create(name=name, description="For tests.", config={"type": "cloud"}, metadata={"a": "1"})
    assert (made.type, made.name, made.description, made.metadata) == ("environment", name, "For tests.", {"a": "1"})
    assert made.config.type == "cloud"
    assert made.config.networking.type == "unrestricted"
    assert made.config.packages.pip == []
    assert isinstance(made.created_at, str), "plain texts, other than everywhere else"
    assert environments.retrieve(made.id) == made

    changed = environments.update(made.id, name=f"{name}-2", metadata={"a": None, "b": "2"})
    assert (changed.name, changed.metadata) == (f"{name}-2", {"b": "2"})

    archived = environments.archive(made.id)
    assert archived.archived_at is not None
    agent = world.agent()
    with raises(anthropic.BadRequestError, saying="environment_id"):
        world.beta.sessions.create(agent=agent.id, environment_id=made.id)

    gone = environments.delete(made.id)
    assert (gone.id, gone.type) == (made.id, "environment_deleted")
    with raises(anthropic.NotFoundError):
        environments.retrieve(made.id)


def environments_are_listed_in_pages(world: World) -> None:
    made = [world.environment().id for _ in range(3)]
    first = world.beta.environments.list(limit=2)
    assert [one.id for one in first.data] == [made[2], made[1]]
    assert next(iter(first.get_next_page().data)).id == made[0]

    world.beta.environments.archive(made[1])
    shown = [one.id for one in world.beta.environments.list(limit=100)]
    assert made[1] not in shown
    assert made[1] in [one.id for one in world.beta.environments.list(limit=100, include_archived=True)]


def an_environment_with_sessions_is_not_deleted(world: World) -> None:
    session = world.session(world.agent())

    with raises(anthropic.BadRequestError):
        world.beta.environments.delete(session.environment_id)

    world.beta.sessions.delete(session.id)
    assert world.beta.environments.delete(session.environment_id).type == "environment_deleted"


def what_the_sandbox_cannot_do_is_refused(world: World) -> None:
    limited = {"type": "limited", "allowed_hosts": ["example.com"]}
    configs = [
        {"type": "cloud", "networking": limited},
        {"type": "cloud", "packages": {"type": "packages", "pip": ["requests"]}},
        {"type": "self_hosted"},
    ]
    for config in configs:
        with raises(anthropic.BadRequestError, saying="config"):
            world.beta.environments.create(name=unique("env"), config=config)


def models_are_listed(world: World) -> None:
    listed = list(world.beta.models.list())
    assert MODEL in [one.id for one in listed]
    assert world.beta.models.retrieve(MODEL).id == MODEL
    with raises(anthropic.NotFoundError):
        world.beta.models.retrieve("no-such-model")


FLOWS = [
    an_environment_lives,
    environments_are_listed_in_pages,
    an_environment_with_sessions_is_not_deleted,
    what_the_sandbox_cannot_do_is_refused,
    models_are_listed,
]
