"""distilabel: its own OpenAI client, one text generation step. Settings: `batch` (rows asked at once), `replicas`."""

import json
import logging
import sys

from distilabel.models.llms import OpenAILLM
from distilabel.pipeline import Pipeline
from distilabel.steps import LoadDataFromFileSystem, StepResources
from distilabel.steps.tasks import TextGeneration


def quiet():
    """A line a request, as the newest httpx writes it, would cost it half its time."""
    for name in ("httpx", "httpx2", "httpcore", "openai"):
        logging.getLogger(name).setLevel(logging.WARNING)


def main(job):
    """Ask every prompt of a JSONL file; distilabel's concurrency is the rows of a batch times the replicas."""
    settings = job["settings"]
    replicas = settings.get("replicas", 1)
    batch = max(1, settings.get("batch", 1) * job["concurrency"] // replicas)
    with Pipeline(name="bench", cache_dir=job["folder"]) as pipeline:
        load = LoadDataFromFileSystem(
            data_files=job["prompts"], filetype="json", batch_size=batch, output_mappings={"prompt": "instruction"}
        )
        ask = TextGeneration(
            llm=OpenAILLM(
                model="test",
                base_url=job["url"] + "/v1",
                api_key="none",
                generation_kwargs={"max_new_tokens": job["max_tokens"]},
            ),
            input_batch_size=batch,
            resources=StepResources(replicas=replicas),
            add_raw_input=False,
            add_raw_output=False,
        )
        load >> ask
    found = pipeline.run(use_cache=job["resume"])["default"]["train"]
    texts = found.data.column("generation")
    return {"rows": found.num_rows, "texts": found.num_rows - texts.null_count}


if __name__ == "__main__":
    quiet()
    result = main(json.loads(sys.argv[1]))
    print("\n" + json.dumps(result), flush=True)
