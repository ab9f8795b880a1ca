"""Flink SQL: OVER RANGE of one hour, from Kafka to Kafka, with one task slot per core.

By event time: vectors also include tasks that finished before the start and were read after it.
"""

import os

from pyflink.table import EnvironmentSettings, TableEnvironment

table = TableEnvironment.create(EnvironmentSettings.in_streaming_mode())
config = table.get_config()
for name, value in {
    "pipeline.jars": f"file://{os.environ['FLINK_KAFKA_JAR']}",
    "parallelism.default": os.environ.get("SLOTS", "2"),
    "table.exec.source.idle-timeout": "30 s",
    "execution.checkpointing.interval": "5 s",
    # Flink keeps 5 MB of checkpoints in memory; a job with more fails and repeats its work since the last one.
    "execution.checkpointing.storage": "filesystem",
    "execution.checkpointing.dir": f"file://{os.environ['FOLDER']}/{os.environ['RUN']}-checkpoints",
    "pipeline.object-reuse": "true",
}.items():
    config.set(name, value)
KAFKA = (
    f"'connector'='kafka','properties.bootstrap.servers'='{os.environ['BROKERS']}','format'='json'"
)
table.execute_sql(f"""
    create table events (
      kind string, agent_id string, task_id string, task_type string,
      started_at_ms bigint, finished_at_ms bigint, duration_s double, succeeded boolean,
      code_review_iterations int,
      at_time as to_timestamp_ltz(coalesce(finished_at_ms, started_at_ms), 3),
      watermark for at_time as at_time - interval '3' second
    ) with ({KAFKA}, 'topic'='{os.environ["SOURCE"]}', 'scan.startup.mode'='earliest-offset',
            'properties.group.id'='flink-{os.environ["RUN"]}')""")
table.execute_sql(f"""
    create table features (
      agent_id string, task_id string, task_type string, started_at_ms bigint,
      tasks_completed_1h bigint, avg_execution_time_1h double, success_rate_1h double,
      code_review_iterations double
    ) with ({KAFKA}, 'topic'='{os.environ["SINK"]}', 'key.format'='raw', 'key.fields'='agent_id')""")
table.execute_sql("""
    insert into features
    select agent_id, task_id, task_type, started_at_ms, n, mean_s, rate, reviews from (
      select kind, agent_id, task_id, task_type, started_at_ms,
        count(duration_s) over hour_before as n, avg(duration_s) over hour_before as mean_s,
        avg(case when succeeded then 1.0e0 when not succeeded then 0.0e0 end) over hour_before as rate,
        avg(cast(code_review_iterations as double)) over hour_before as reviews
      from events
      window hour_before as (partition by agent_id order by at_time
        range between interval '59:59.999' minute to second preceding and current row)
    ) where kind = 'task_started.v1'""").wait()
