"""The same as JSON, with OpenAPI, and tables to take away as CSV and Parquet."""
