-- What an uninterrupted run must have written, from task-events alone as they lie in the log.
--
-- Table log(life, partition, "offset", timestamp, size, key, value, raw) is there already: value is JSON and
-- NULL where the bytes are none, raw is their base64. Table hole(life, partition, start, stop, agents_told) has the
-- offsets that nobody read. Variables: lateness_ms, ahead_ms, expire_ms, hour_ms, day_ms.
--
-- A life of the topic is a log of its own, from which the stages begin anew. Inside, its partitions and agents have
-- names of their own: the life is above the thousands of a partition, and behind the '#' of an agent.

CREATE MACRO at_path(value, path) AS value ->> path;

CREATE MACRO in_life(partition, life) AS partition + 1000 * life;
CREATE MACRO agent_named(agent_id) AS split_part(agent_id, '#', 1);

CREATE TABLE gap AS
SELECT in_life(partition, life) AS partition, start, stop, agents_told FROM hole;

CREATE TABLE read AS
SELECT life, in_life(log.partition, life) AS partition, "offset", timestamp, size, key, value, raw,
    at_path(value, '$.kind') AS kind,
    CASE life WHEN 0 THEN at_path(value, '$.agent_id')
        ELSE concat(at_path(value, '$.agent_id'), '#', life) END AS agent_id,
    at_path(value, '$.task_id') AS task_id,
    at_path(value, '$.task_type') AS task_type,
    TRY_CAST(at_path(value, '$.started_at_ms') AS BIGINT) AS started_at_ms,
    TRY_CAST(at_path(value, '$.finished_at_ms') AS BIGINT) AS finished_at_ms,
    TRY_CAST(at_path(value, '$.duration_s') AS DOUBLE) AS duration_s,
    TRY_CAST(at_path(value, '$.succeeded') AS BOOLEAN) AS succeeded,
    TRY_CAST(at_path(value, '$.code_review_iterations') AS BIGINT) AS reviews,
    TRY_CAST(at_path(value, '$.deployment_succeeded') AS BOOLEAN) AS deployed,
    at_path(value, '$.error_type') AS error_type,
    TRY_CAST(at_path(value, '$.estimate_s') AS DOUBLE) AS estimate_s,
    at_path(value, '$.producer_id') AS producer_id,
    TRY_CAST(at_path(value, '$.seq') AS BIGINT) AS seq,
    CASE at_path(value, '$.kind')
        WHEN 'task_started.v1' THEN TRY_CAST(at_path(value, '$.started_at_ms') AS BIGINT)
        WHEN 'task_finished.v1' THEN TRY_CAST(at_path(value, '$.finished_at_ms') AS BIGINT)
        WHEN 'task_cancelled.v1' THEN TRY_CAST(at_path(value, '$.cancelled_at_ms') AS BIGINT)
    END AS at_ms
FROM log WHERE NOT EXISTS (
    SELECT 1 FROM hole h WHERE h.life = log.life AND h.partition = log.partition
        AND log."offset" >= start AND log."offset" < stop
);

CREATE TABLE judged AS
SELECT *, CASE
    WHEN size IS NULL THEN 'empty'
    WHEN size > 65536 THEN 'oversize'
    WHEN value IS NULL THEN 'not_json'
    WHEN kind IS NULL OR kind NOT IN ('task_started.v1', 'task_finished.v1', 'task_cancelled.v1')
        THEN 'unknown_kind'
    WHEN agent_id IS NULL OR task_id IS NULL OR at_ms IS NULL
        OR (kind <> 'task_cancelled.v1' AND task_type IS NULL)
        OR (kind = 'task_finished.v1' AND (duration_s IS NULL OR succeeded IS NULL))
        THEN 'invalid'
    WHEN at_ms - timestamp > getvariable('ahead_ms') THEN 'clock_ahead'
    END AS refused
FROM read;

-- Accepted events, with the agent's newest event time and the partition's, each with the event's.
CREATE TABLE event AS
SELECT * EXCLUDE (value, raw, refused),
    kind = 'task_started.v1' AS is_start,
    max(at_ms) OVER (PARTITION BY partition, agent_id ORDER BY "offset") AS newest_ms,
    max(at_ms) OVER (PARTITION BY partition ORDER BY "offset") AS watermark_ms,
    row_number() OVER (PARTITION BY agent_id, task_id, kind ORDER BY "offset") AS nth
FROM judged WHERE refused IS NULL;

CREATE TABLE seen AS
SELECT partition, max(at_ms) AS watermark_ms FROM event GROUP BY partition;

-- Since which event time all records were read, by the offset from which on that holds: since the first event. After
-- records that nobody read: since the newest event before them, or the first after them that is no repeat, plus what
-- events may be late. agents_told is the end of agent-features where that begins.
CREATE TABLE covered AS
SELECT partition, 0 AS "offset", 0 AS agents_told, arg_min(at_ms, "offset") AS seen_from_ms
FROM event GROUP BY partition
UNION ALL
SELECT partition, stop, any_value(agents_told), greatest(
    arg_min(at_ms, e."offset") FILTER (e."offset" >= stop AND (producer_id IS NULL OR nth_seq = 1))
        + getvariable('lateness_ms'),
    max(at_ms) FILTER (e."offset" < start))
FROM gap JOIN (
    SELECT *, row_number() OVER (PARTITION BY partition, producer_id, seq ORDER BY "offset") AS nth_seq
    FROM event
) e USING (partition)
GROUP BY partition, start, stop;

-- Stage 1 ----------------------------------------------------------------------------------------

CREATE TABLE first_end AS
SELECT agent_id, task_id, min("offset") AS end_offset
FROM event WHERE NOT is_start GROUP BY ALL;

-- Starts that lead to features: the first of a task, unless its end was read before.
CREATE TABLE start AS
SELECT event.*, end_offset, newest_ms - getvariable('hour_ms') - getvariable('lateness_ms')
    AS kept_from_ms
FROM event LEFT JOIN first_end USING (agent_id, task_id)
WHERE is_start AND nth = 1 AND (end_offset IS NULL OR end_offset > "offset");

-- A finish counts once; a late one is left out of the rolling hour.
CREATE TABLE finish AS
SELECT *, at_ms < newest_ms - getvariable('lateness_ms') AS late,
    count(*) OVER of_agent AS agent_runs,
    avg(duration_s) OVER of_agent AS agent_mean_s,
    avg(succeeded::INT) OVER of_agent AS agent_success,
    count(*) OVER of_type AS type_runs,
    avg(duration_s) OVER of_type AS type_mean_s,
    avg(succeeded::INT) OVER of_type AS type_success
FROM event WHERE kind = 'task_finished.v1' AND nth = 1
WINDOW
    of_agent AS (PARTITION BY agent_id ORDER BY "offset"
        ROWS BETWEEN 19 PRECEDING AND CURRENT ROW),
    of_type AS (PARTITION BY agent_id, task_type ORDER BY "offset"
        ROWS BETWEEN 19 PRECEDING AND CURRENT ROW);

-- The rolling hour (t - 1 h, t], of finishes read before the start.
CREATE TABLE rolling AS
SELECT s.agent_id, s.task_id,
    count(*) FILTER (inside) AS n,
    avg(f.duration_s) FILTER (inside) AS mean_s,
    avg(f.succeeded::INT) FILTER (inside) AS success,
    avg(f.reviews) FILTER (inside) AS reviews,
    median(f.duration_s) FILTER (inside) AS median_s,
    avg(f.deployed::INT) FILTER (inside) AS deployed,
    count(*) FILTER (f.late AND f.at_ms <= s.at_ms
        AND f.at_ms > greatest(s.at_ms - getvariable('hour_ms'), s.kept_from_ms)) AS late,
    max(f.at_ms) FILTER (f.at_ms <= s.at_ms) AS last_ms,
    max(f.at_ms) FILTER (f.at_ms <= s.kept_from_ms) AS last_forgotten_ms
FROM start s JOIN finish f ON f.agent_id = s.agent_id AND f."offset" < s."offset",
LATERAL (SELECT NOT f.late AND f.at_ms <= s.at_ms
    AND f.at_ms > greatest(s.at_ms - getvariable('hour_ms'), s.kept_from_ms) AS inside)
GROUP BY ALL;

CREATE TABLE in_flight AS
SELECT s.agent_id, s.task_id, count(*) AS n
FROM start s JOIN start o ON o.agent_id = s.agent_id AND o."offset" < s."offset"
    AND (o.end_offset IS NULL OR o.end_offset > s."offset")
    AND o.at_ms <= s.at_ms AND o.at_ms > s.at_ms - getvariable('day_ms')
GROUP BY ALL;

CREATE TABLE expected_features AS
SELECT s.partition, s."offset", s.agent_id, s.task_id, s.task_type, s.started_at_ms, s.estimate_s,
    coalesce(r.n, 0) AS tasks_completed_1h,
    r.mean_s AS avg_execution_time_1h,
    r.success AS success_rate_1h,
    r.reviews AS code_review_iterations,
    r.median_s AS median_execution_time_1h,
    r.deployed AS deployment_success_rate_1h,
    coalesce(fl.n, 0) AS tasks_in_flight,
    (s.at_ms - CASE WHEN r.last_ms > s.kept_from_ms THEN r.last_ms
        WHEN r.last_forgotten_ms <= s.at_ms THEN r.last_forgotten_ms END) / 1000.0
        AS seconds_since_last_finish,
    coalesce(t.type_runs, 0) AS same_type_runs,
    t.type_mean_s AS same_type_avg_execution_time,
    t.type_success AS same_type_success_rate,
    coalesce(a.agent_runs, 0) AS agent_runs,
    a.agent_mean_s AS agent_avg_execution_time,
    a.agent_success AS agent_success_rate,
    least(1.0, greatest(0, s.at_ms - greatest(seen_from_ms, s.kept_from_ms))
        / getvariable('hour_ms')) AS hour_seen,
    coalesce(r.late, 0) AS late_dropped
FROM start s
ASOF JOIN covered ON covered.partition = s.partition AND s."offset" >= covered."offset"
LEFT JOIN rolling r ON r.agent_id = s.agent_id AND r.task_id = s.task_id
LEFT JOIN in_flight fl ON fl.agent_id = s.agent_id AND fl.task_id = s.task_id
ASOF LEFT JOIN finish a ON a.agent_id = s.agent_id AND s."offset" > a."offset"
ASOF LEFT JOIN finish t
    ON t.agent_id = s.agent_id AND t.task_type = s.task_type AND s."offset" > t."offset";

CREATE TABLE agent AS
SELECT partition, agent_id, max(newest_ms) AS newest_ms FROM event GROUP BY ALL;

-- Baselines: simple rules, each of which may know nothing --------------------------------------------

CREATE TABLE baseline AS
SELECT partition, agent_id, task_id, started_at_ms, same_type_avg_execution_time, same_type_success_rate,
    coalesce(estimate_s, avg_execution_time_1h, agent_avg_execution_time) AS duration_s,
    coalesce(success_rate_1h, agent_success_rate) AS success_probability
FROM expected_features;

CREATE TABLE expected_predictions AS
SELECT partition, agent_id, task_id, model, '0' AS version, started_at_ms, 3 AS predictors,
    CASE model WHEN 'control' THEN duration_s
        WHEN 'same-type' THEN coalesce(same_type_avg_execution_time, duration_s) END AS duration_s,
    CASE model WHEN 'control' THEN success_probability
        WHEN 'same-type' THEN coalesce(same_type_success_rate, success_probability) END
        AS success_probability
FROM baseline CROSS JOIN (VALUES ('control'), ('same-type'), ('type')) AS rule(model);

-- Stage 3 ----------------------------------------------------------------------------------------
-- A task begins with its first start, unless that is so old that it would have expired. It ends
-- with the first end that comes before the watermark has passed its expiry; else it expires.

CREATE TABLE task AS
SELECT *, started_at_ms + getvariable('expire_ms') AS due_ms
FROM event
WHERE is_start AND nth = 1 AND started_at_ms + getvariable('expire_ms') >= watermark_ms;

CREATE TABLE ending AS
SELECT e.*, t.due_ms, t."offset" AS start_offset,
    row_number() OVER (PARTITION BY e.agent_id, e.task_id ORDER BY e."offset") AS nth_end
FROM event e JOIN task t ON t.agent_id = e.agent_id AND t.task_id = e.task_id
    AND e."offset" > t."offset"
WHERE NOT e.is_start;

CREATE TABLE fate AS
SELECT t.partition, t.agent_id, t.task_id, t.task_type, t.started_at_ms, t."offset", t.due_ms,
    CASE WHEN e.watermark_ms <= t.due_ms AND e.kind = 'task_finished.v1' THEN 'matched'
        WHEN e.watermark_ms <= t.due_ms THEN 'cancelled'
        WHEN seen.watermark_ms > t.due_ms THEN 'expired'
        ELSE 'pending' END AS status,
    e.at_ms AS ended_at_ms, e.duration_s, e.succeeded, e.reviews, e.deployed, e.error_type
FROM task t JOIN seen USING (partition)
LEFT JOIN ending e ON e.agent_id = t.agent_id AND e.task_id = t.task_id AND e.nth_end = 1;

CREATE TABLE expected_comparisons AS
SELECT f.* EXCLUDE (started_at_ms), fate.started_at_ms, status,
    CASE status WHEN 'expired' THEN due_ms ELSE ended_at_ms END AS at_ms,
    CASE status WHEN 'matched' THEN fate.duration_s END AS duration_s,
    CASE status WHEN 'matched' THEN succeeded END AS succeeded,
    CASE status WHEN 'matched' THEN reviews END AS reviews,
    CASE status WHEN 'matched' THEN deployed END AS deployed,
    CASE status WHEN 'matched' THEN error_type END AS error_type,
    3 AS predictions,
    p.duration_s AS control_duration_s,
    p.success_probability AS control_success_probability
FROM fate
JOIN expected_features f USING (partition, agent_id, task_id, task_type)
JOIN baseline p USING (partition, agent_id, task_id)
WHERE status <> 'pending';

-- How long a task is remembered, to tell repeats.
CREATE TABLE remembered AS
SELECT *, CASE WHEN status IN ('matched', 'cancelled') THEN greatest(ended_at_ms, started_at_ms)
    ELSE due_ms END + getvariable('expire_ms') AS forget_ms
FROM fate;

-- What each event beside first starts and decisive ends is counted as.
CREATE TABLE beside AS
SELECT e.partition, CASE
    WHEN e.is_start AND (r.agent_id IS NULL OR e.watermark_ms > r.forget_ms) THEN 'late'
    WHEN e.is_start AND e."offset" = r."offset" THEN 'start'
    WHEN e.is_start THEN 'duplicate'
    WHEN r.agent_id IS NULL OR e."offset" < r."offset" OR e.watermark_ms > r.forget_ms
        THEN 'orphan'
    WHEN d.nth_end > 1 THEN 'duplicate'
    WHEN r.status IN ('matched', 'cancelled') THEN 'end'
    ELSE 'late' END AS counted
FROM event e
LEFT JOIN remembered r ON r.agent_id = e.agent_id AND r.task_id = e.task_id
LEFT JOIN ending d ON d.partition = e.partition AND d."offset" = e."offset";

-- A task without features is never predicted, so it is in no count: its first start was lost, and the repeat came
-- after the end.
CREATE TABLE predicted AS
SELECT fate.* FROM fate SEMI JOIN expected_features USING (partition, agent_id, task_id);

-- The counts of a life end with it. A partition to which no record came in the last one keeps those of the one before.
CREATE TABLE last_life AS
SELECT max(life * 1000 + partition) AS last_place FROM log GROUP BY partition;
CREATE MACRO in_last_life(place) AS place IN (SELECT last_place FROM last_life);

CREATE TABLE expected_ledger AS
SELECT
    (SELECT count(*) FROM predicted WHERE in_last_life(partition)) AS predictions,
    (SELECT count(*) FROM predicted WHERE status = 'matched' AND in_last_life(partition)) AS matched,
    (SELECT count(*) FROM predicted WHERE status = 'pending' AND in_last_life(partition)) AS pending,
    (SELECT count(*) FROM predicted WHERE status = 'expired' AND in_last_life(partition)) AS expired,
    (SELECT count(*) FROM predicted WHERE status = 'cancelled' AND in_last_life(partition)) AS cancelled,
    (SELECT count(*) FROM beside WHERE counted = 'duplicate' AND in_last_life(partition)) AS duplicate,
    (SELECT count(*) FROM beside WHERE counted = 'late' AND in_last_life(partition)) AS late,
    (SELECT count(*) FROM beside WHERE counted = 'orphan' AND in_last_life(partition)) AS orphan,
    0 AS shed,
    0 AS incomplete,
    (SELECT coalesce(sum(stop - start), 0) FROM gap WHERE in_last_life(partition)) AS unread;

CREATE TABLE expected_dead AS
SELECT partition % 1000 AS partition, 'task-events' AS source_topic,
    partition % 1000 AS source_partition, "offset" AS source_offset, life, 'features' AS stage,
    refused AS reason, key, raw
FROM judged WHERE refused IS NOT NULL;

-- What was read of each process in the last life in which it was read: also what could be read but was refused for
-- its clock.
CREATE TABLE expected_clients AS
SELECT partition % 1000 AS partition, producer_id, partition % 1000 AS seen_partition,
    count(DISTINCT seq) AS received, count(*) - count(DISTINCT seq) AS repeated,
    max(seq) AS last_seq
FROM judged WHERE producer_id IS NOT NULL AND (refused IS NULL OR refused = 'clock_ahead')
GROUP BY judged.partition, producer_id
QUALIFY row_number() OVER (
    PARTITION BY producer_id, judged.partition % 1000 ORDER BY judged.partition DESC) = 1;

-- Each agent's latest features, as of the instant that its last record names (table asked), which
-- must not be before the agent's newest event: they decay while the agent is silent.
CREATE TABLE expected_agents AS
WITH instant AS (
    SELECT agent.partition, agent.agent_id,
        greatest(coalesce(asked.as_of_ms, 0), newest_ms) AS as_of_ms, coalesce(told, 0) AS told
    FROM agent LEFT JOIN asked ON asked.agent_id = agent_named(agent.agent_id)
    QUALIFY row_number() OVER (PARTITION BY agent_named(agent.agent_id) ORDER BY agent.partition DESC) = 1
), flying AS (
    SELECT i.agent_id, count(*) AS n
    FROM instant i JOIN start s ON s.agent_id = i.agent_id AND s.end_offset IS NULL
        AND s.at_ms > i.as_of_ms - getvariable('day_ms')
    GROUP BY ALL
)
SELECT i.partition, i.agent_id, i.as_of_ms,
    count(*) FILTER (recent AND NOT f.late) AS tasks_completed_1h,
    avg(f.duration_s) FILTER (recent AND NOT f.late) AS avg_execution_time_1h,
    avg(f.succeeded::INT) FILTER (recent AND NOT f.late) AS success_rate_1h,
    avg(f.reviews) FILTER (recent AND NOT f.late) AS code_review_iterations,
    median(f.duration_s) FILTER (recent AND NOT f.late) AS median_execution_time_1h,
    avg(f.deployed::INT) FILTER (recent AND NOT f.late) AS deployment_success_rate_1h,
    any_value(coalesce(flying.n, 0)) AS tasks_in_flight,
    max(f.at_ms) AS last_finished_at_ms,
    any_value(least(1.0, greatest(0, i.as_of_ms - seen_from_ms) / getvariable('hour_ms')))
        AS hour_seen,
    count(*) FILTER (recent AND f.late) AS late_dropped
FROM instant i
ASOF JOIN covered ON covered.partition = i.partition AND i.told >= covered.agents_told
LEFT JOIN flying ON flying.agent_id = i.agent_id
LEFT JOIN finish f ON f.agent_id = i.agent_id,
LATERAL (SELECT f.at_ms > i.as_of_ms - getvariable('hour_ms') AS recent)
GROUP BY ALL;

-- The names that are seen from outside ------------------------------------------------------------

UPDATE expected_features SET partition = partition % 1000, agent_id = agent_named(agent_id);
UPDATE expected_predictions SET partition = partition % 1000, agent_id = agent_named(agent_id);
ALTER TABLE expected_comparisons ADD COLUMN life BIGINT;
UPDATE expected_comparisons SET life = partition // 1000;
UPDATE expected_comparisons SET partition = partition % 1000, agent_id = agent_named(agent_id);
UPDATE expected_agents SET partition = partition % 1000, agent_id = agent_named(agent_id);
