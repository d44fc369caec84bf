"""data-designer: a seed file and one text column. Settings: `buffer` (rows of a row group), `groups` (at once)."""

import json
import sys
from pathlib import Path

import data_designer.config as dd
import pyarrow.parquet as pq
from data_designer.interface import DataDesigner


def main(job):
    """Ask every prompt of a JSONL file."""
    settings = job["settings"]
    builder = dd.DataDesignerConfigBuilder(
        model_configs=[
            dd.ModelConfig(
                alias="teacher",
                model="test",
                provider="bench",
                skip_health_check=True,
                inference_parameters=dd.ChatCompletionInferenceParams(
                    max_parallel_requests=job["concurrency"], max_tokens=job["max_tokens"]
                ),
            )
        ]
    )
    builder.with_seed_dataset(dd.LocalFileSeedSource(path=job["prompts"]))
    builder.add_column(dd.LLMTextColumnConfig(name="text", prompt="{{ prompt }}", model_alias="teacher"))
    provider = dd.ModelProvider(name="bench", endpoint=job["url"] + "/v1", provider_type="openai", api_key="none")
    designer = DataDesigner(artifact_path=job["folder"], model_providers=[provider])
    designer.set_run_config(
        dd.RunConfig(
            buffer_size=settings.get("buffer", 1000),
            max_concurrent_row_groups=settings.get("groups", 3),
            max_in_flight_tasks=settings.get("tasks", 1024),
            jinja_rendering_engine=settings.get("jinja", "native"),
            otel_metrics_port=None,
        )
    )
    resume = dd.ResumeMode.ALWAYS if job["resume"] else dd.ResumeMode.NEVER
    designer.create(builder, num_records=job["count"], dataset_name="bench", resume=resume)
    rows = texts = 0
    for path in Path(job["folder"]).glob("bench*/parquet-files/*.parquet"):
        column = pq.read_table(path, columns=["text"]).column("text")
        rows, texts = rows + len(column), texts + len(column) - column.null_count
    return {"rows": rows, "texts": texts}


if __name__ == "__main__":
    result = main(json.loads(sys.argv[1]))
    print("\n" + json.dumps(result), flush=True)
