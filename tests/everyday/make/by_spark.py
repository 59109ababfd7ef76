"""The folders that Spark writes."""

from __future__ import annotations

import shutil
from pathlib import Path

from pyspark.sql import SparkSession, functions

from tests.everyday.make.by_python import frame


def make(files: Path) -> None:
    """Write the folders."""
    spark = SparkSession.builder.master("local[1]").config("spark.sql.session.timeZone", "UTC").getOrCreate()
    table = spark.createDataFrame(frame().astype({"created_at": str}).values.tolist(), ["text", "label", "at"])
    table = table.select("text", "label", functions.to_timestamp("at").alias("created_at")).repartition(2)
    dated = table.withColumn("date", functions.to_date("created_at")).coalesce(1)
    dated = dated.withColumn("date", functions.date_format("date", "yyyy-MM"))
    for name, write in {
        "spark_csv": lambda path: table.write.csv(path, header=True),
        "spark_csv_escaped": lambda path: table.write.csv(path, header=True, quoteAll=True, escape='"'),
        "spark_csv_gz": lambda path: table.write.csv(path, header=True, escape='"', compression="gzip"),
        "spark_csv_no_header": lambda path: table.write.csv(path, escape='"'),
        "spark_json": lambda path: table.write.json(path),
        "spark_parquet": lambda path: table.write.parquet(path),
        "spark_parquet_by_label": lambda path: table.coalesce(1).write.partitionBy("label").parquet(path),
        "spark_json_by_month": lambda path: dated.write.partitionBy("date").json(path),
    }.items():
        shutil.rmtree(files / name, ignore_errors=True)
        write(str(files / name))
    spark.stop()
