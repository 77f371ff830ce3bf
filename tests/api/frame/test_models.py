"""`/v1/models`: what agents may name here."""

from pathlib import Path

import pytest
from anthropic.types.beta import BetaModelInfo

from tests.api.server import Serve

CONFIG = """
[models."qwen3:8b"]
context_window = 32000
max_tokens = 4000
[models.alpha]
[models.beta]
"""


def config(folder: Path) -> Path:
    file = folder / "podium.toml"
    file.write_text(CONFIG)
    return file


@pytest.mark.difference("models-of-the-configuration")
async def test_models_of_the_configuration_are_listed_in_pages(served: Serve, tmp_path: Path) -> None:
    async with served(config=config(tmp_path)) as server:
        whole = (await server.get("/v1/models")).json
        first = (await server.get("/v1/models?limit=3")).json
        second = (await server.get(f"/v1/models?limit=3&after_id={first['last_id']}")).json
        back = (await server.get(f"/v1/models?limit=2&before_id={second['first_id']}")).json

        assert [it["id"] for it in whole["data"]] == ["alpha", "beta", "claude-test-1", "qwen3:8b"]
        assert whole["has_more"] is False
        assert (first["has_more"], first["first_id"], first["last_id"]) == (True, "alpha", "claude-test-1")
        assert ([it["id"] for it in second["data"]], second["has_more"]) == (["qwen3:8b"], False)
        assert ([it["id"] for it in back["data"]], back["has_more"]) == (["beta", "claude-test-1"], True)


async def test_model_is_what_the_official_client_expects(served: Serve, tmp_path: Path) -> None:
    async with served(config=config(tmp_path)) as server:
        got = (await server.get("/v1/models/qwen3:8b")).json

        assert BetaModelInfo.model_validate(got, strict=False, extra="forbid").id == "qwen3:8b"
        assert (got["max_input_tokens"], got["max_tokens"]) == (32000, 4000)


async def test_model_that_is_not_named_is_not_found(served: Serve) -> None:
    async with served() as server:
        got = await server.get("/v1/models/gpt")
        cursor = await server.get("/v1/models?after_id=gpt")

        assert got.status == 404
        assert got.error.startswith("model 'gpt' is not named in podium.toml. An agent may name it all the same")
        assert (cursor.status, cursor.error) == (400, "after_id: there is no model 'gpt' in this list")


async def test_empty_list_has_no_ids(served: Serve) -> None:
    async with served(models=()) as server:
        got = (await server.get("/v1/models")).json

        assert got == {"data": [], "has_more": False, "first_id": None, "last_id": None}
