"""`extagents doctor`: each thing that can be wrong is found, and how to mend it is said."""

from __future__ import annotations

import asyncio
import json
import socket

import pytest

from extagents.testing.endpoint import FakeEndpoint, Fault, refusal, vllm_listing, vllm_metrics


def checks(ran) -> dict[str, dict[str, str]]:
    printed = json.loads(ran.out)
    assert set(printed) == {"ok", "checks"}
    assert printed["ok"] == (ran.status == 0)
    return {check["name"]: check for check in printed["checks"]}


def test_without_a_model_it_is_ready_and_says_how_to_get_one(cli):
    ran = cli("doctor", "--json", "--memory", "memory://")
    found = checks(ran)
    assert ran.status == 0
    assert found["model"]["status"] == "note"
    assert "OPENAI_API_KEY" in found["model"]["hint"]
    assert found["memory"]["status"] == found["data folder"]["status"] == found["cache folder"]["status"] == "ok"
    plain = cli("doctor", "--memory", "memory://")
    assert plain.out.endswith("Ready.\n")


@pytest.mark.parametrize(
    ("options", "name", "said"),
    [
        (["--model", "gpt-4o"], "model", "openai:gpt-4o"),
        (["--model", "openai:gpt-4o"], "model", "OPENAI_API_KEY"),
        (["--model", "extractive", "--reader-model", "nothing:x"], "model of the reader", "Models are"),
        (["--memory", "mysql://localhost"], "memory", "sqlite:///PATH"),
    ],
)
def test_what_cannot_work_is_marked_with_a_way_out(cli, monkeypatch, options, name, said):
    monkeypatch.delenv("EXTAGENTS_API_KEY")
    ran = cli("doctor", "--json", *options)
    found = checks(ran)[name]
    assert ran.status == 1
    assert found["status"] == "fail"
    assert said in found["hint"] + found["detail"]
    assert "Not ready" in cli("doctor", *options).out


def closed_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def test_an_endpoint_and_a_memory_that_are_not_there(cli):
    port = closed_port()
    endpoint = ["--model", "openai:m", "--base-url", f"http://127.0.0.1:{port}/v1"]
    found = checks(cli("doctor", "--json", *endpoint, "--memory", f"redis://127.0.0.1:{port}/0"))
    assert found["model"]["status"] == found["memory"]["status"] == "fail"
    assert "--base-url" in found["model"]["hint"]
    assert found["memory"]["hint"]


def test_a_folder_that_cannot_be_written(cli, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    monkeypatch.setenv("EXTAGENTS_CACHE", str(tmp_path / "file" / "cache"))
    ran = cli("doctor", "--json", "--memory", "memory://")
    assert ran.status == 1
    assert "EXTAGENTS_CACHE" in checks(ran)["cache folder"]["hint"]


@pytest.mark.parametrize(
    ("script", "status", "said"),
    [
        ('{"word": "ok"}', "ok", "answers"),
        ("prose that was cut", "ok", "answers"),
        (refusal(401, "Incorrect API key provided"), "fail", "OPENAI_API_KEY"),
        (refusal(404, "The model does not exist"), "fail", "model's name"),
        (Fault(status=500, body="broken"), "fail", "its log"),
    ],
)
async def test_one_call_tells_how_the_endpoint_is(cli, script, status, said):
    async with FakeEndpoint(lambda body: script, models=[{"id": "m", "max_model_len": 12_345}]) as endpoint:
        arguments = ("doctor", "--json", "--model", "openai:m", "--base-url", endpoint.base_url, "--memory", "memory://")
        ran = await asyncio.to_thread(cli, *arguments)
    found = checks(ran)
    assert found["model"]["status"] == status
    assert said in found["model"]["detail"] + found["model"]["hint"]
    assert "12,345 tokens" in found["window of openai:m"]["detail"]
    if status == "ok":
        assert endpoint.requests[0].get("max_tokens", endpoint.requests[0].get("max_completion_tokens")) == 1


@pytest.mark.parametrize(
    ("metrics", "status", "said"),
    [
        (
            lambda: vllm_metrics(running=3, waiting=2, looked_up=100, found=40),
            "ok",
            "3 running, 2 waiting · 40% of prompt tokens",
        ),
        (lambda: Fault(404), "note", "/metrics"),
        (lambda: Fault(500), "note", "cannot be had"),
    ],
)
async def test_a_vllm_server_tells_how_busy_it_is(cli, metrics, status, said):
    async with FakeEndpoint(lambda _: '{"word": "ok"}', models=vllm_listing("m"), metrics=metrics) as endpoint:
        arguments = ("doctor", "--json", "--model", "openai:m", "--base-url", endpoint.base_url, "--memory", "memory://")
        found = checks(await asyncio.to_thread(cli, *arguments))["server of openai:m"]
    assert found["status"] == status
    assert said in found["detail"] + found["hint"]


def test_vllm_that_is_not_installed_is_a_note_and_a_model_of_it_a_failure(cli):
    found = checks(cli("doctor", "--json", "--model", "vllm:some/model", "--memory", "memory://"))
    assert (found["extra vllm"]["status"], found["model"]["status"]) == ("note", "fail")
    assert 'pip install "extagents[vllm]"' in found["extra vllm"]["hint"]
    assert "--base-url" in found["model"]["hint"]
