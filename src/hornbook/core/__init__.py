"""Floor 0: values without input or output. Imports only the standard library, pydantic and pyarrow."""
