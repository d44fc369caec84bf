"""bespokelabs-curator: its own OpenAI backend with limits out of the way. Settings: `concurrency` (0: no limit)."""

import json
import os
import sys
from pathlib import Path

import litellm

TOKENIZERS = Path(litellm.__file__).parent / "litellm_core_utils" / "tokenizers"
os.environ["TIKTOKEN_CACHE_DIR"] = str(TOKENIZERS)  # its token counter wants a file that litellm brings along

from bespokelabs import curator  # noqa: E402
from datasets import load_dataset  # noqa: E402

NO_LIMIT = 100_000_000


class Asker(curator.LLM):
    """The prompt as it is, the reply as it is."""

    def prompt(self, input):
        """What to ask about a row."""
        return input["prompt"]

    def parse(self, input, response):
        """The row with its reply."""
        return {"id": input["id"], "prompt": input["prompt"], "text": response}


def main(job):
    """Ask every prompt of a JSONL file."""
    limits = {"max_requests_per_minute": NO_LIMIT, "max_tokens_per_minute": NO_LIMIT * 1000}
    many = job["settings"].get("concurrency", 1) * job["concurrency"]
    if many:
        limits["max_concurrent_requests"] = many
    asker = Asker(
        model_name="test",
        backend="openai",
        backend_params={"base_url": job["url"] + "/v1", "api_key": "none", **limits},
        generation_params={"max_tokens": job["max_tokens"]},
    )
    prompts = load_dataset("json", data_files=job["prompts"], split="train", cache_dir=job["folder"] + "/datasets")
    found = asker(prompts, working_dir=job["folder"]).dataset
    return {"rows": len(found), "texts": sum(1 for text in found["text"] if text)}


if __name__ == "__main__":
    result = main(json.loads(sys.argv[1]))
    print("\n" + json.dumps(result), flush=True)
