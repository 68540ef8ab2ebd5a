-- Removes tasks that are final from the lines of their resources, and grants what only they were in the way
-- of. Returns how many tasks became ready.
--
-- Where one row is needed, it is looked for by itself: by a subquery of its own, or by its place in the
-- table. Of a join, a planner who sees few live rows makes one look at all of them, and passes all that are
-- dead.
CREATE OR REPLACE FUNCTION release_tasks(p_tasks uuid[]) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
    -- The lines in which others may get on, and of each: whether something that was granted went; whether
    -- that had the resource alone; after which place to look for the next; the first that went and needed the
    -- resource alone.
    lines bigint[];
    were_granted boolean[];
    were_heads boolean[];
    starts bigint[];
    firsts bigint[];
    follower_lines bigint[];
    followers bigint[];
    ready integer;
BEGIN
    WITH place AS (
        DELETE FROM task_admitted WHERE task_id = ANY (p_tasks)
        RETURNING position, exclusive || shared AS needs),
    gone AS (
        DELETE FROM task_lock WHERE ctid = ANY (ARRAY (
            SELECT (SELECT ctid FROM task_lock AS need
                    WHERE need.resource = left_line.resource AND need.position = left_line.position)
            FROM (SELECT position, unnest(needs) AS resource FROM place) AS left_line))
        RETURNING resource, position, exclusive, granted),
    line AS (
        SELECT resource, bool_or(granted) AS was_granted, bool_or(granted AND exclusive) AS was_head,
               min(position) AS lowest, min(position) FILTER (WHERE exclusive) AS first_exclusive
        FROM gone GROUP BY resource)
    SELECT array_agg(resource), array_agg(was_granted), array_agg(was_head),
           array_agg(CASE WHEN was_granted THEN lowest ELSE first_exclusive END), array_agg(first_exclusive)
        INTO lines, were_granted, were_heads, starts, firsts FROM line
        -- What is shared and waited was in no other's way.
        WHERE was_granted OR first_exclusive IS NOT NULL;
    IF lines IS NULL THEN RETURN 0; END IF;

    WITH line AS (
        SELECT one.*, (SELECT need.position FROM task_lock AS need
                       WHERE need.exclusive_resource = one.resource AND need.position > one.start
                       ORDER BY need.position LIMIT 1) AS next_exclusive
        FROM unnest(lines, were_granted, were_heads, starts, firsts)
             AS one (resource, was_granted, was_head, start, first_exclusive)
        -- Behind one that waits and needs the resource alone nothing changes; there is none before what was
        -- granted.
        WHERE one.was_granted OR (SELECT 1 FROM task_lock AS need
                                  WHERE need.exclusive_resource = one.resource AND need.position < one.start
                                  LIMIT 1) IS NULL),
    follower AS (
        SELECT line.resource, waiting.position FROM line CROSS JOIN LATERAL (
            SELECT need.position FROM task_lock AS need
            WHERE need.resource = line.resource AND need.position > line.first_exclusive
              AND need.position < coalesce(line.next_exclusive, 9223372036854775807)
              AND NOT need.granted OFFSET 0) AS waiting
        UNION ALL
        SELECT line.resource, line.next_exclusive FROM line
        WHERE line.next_exclusive IS NOT NULL
          AND (SELECT 1 FROM task_lock AS need
               WHERE need.resource = line.resource AND need.position < line.next_exclusive
                 AND need.position > CASE WHEN line.was_head THEN line.start ELSE 0 END LIMIT 1) IS NULL)
    SELECT array_agg(resource), array_agg(position) INTO follower_lines, followers FROM follower;
    IF followers IS NULL THEN RETURN 0; END IF;

    WITH follower AS (
        UPDATE task_lock SET granted = true WHERE ctid = ANY (ARRAY (
            SELECT (SELECT ctid FROM task_lock AS need
                    WHERE need.resource = one.resource AND need.position = one.position)
            FROM unnest(follower_lines, followers) AS one (resource, position)))
        RETURNING position),
    place AS (
        UPDATE task_admitted SET ungranted = ungranted - one.grants
        FROM (SELECT (SELECT ctid FROM task_admitted AS waiting
                      WHERE waiting.position = follower.position) AS place,
                     count(*) AS grants
              FROM follower GROUP BY follower.position) AS one
        WHERE task_admitted.ctid = one.place RETURNING task_admitted.position, task_id, name, ungranted)
    INSERT INTO task_ready (task_id, name)
        SELECT task_id, name FROM place WHERE ungranted = 0 ORDER BY position;
    GET DIAGNOSTICS ready = ROW_COUNT;
    RETURN ready;
END $$;
