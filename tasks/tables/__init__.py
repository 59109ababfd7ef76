"""Tables that a person hands over or opens: csv, tsv, jsonl, parquet. The source of the pipeline is tasks/ingest's."""
