"""Floor 1: bytes on disk. Parquet parts, manifests, artifacts, the request journal, reading files."""
