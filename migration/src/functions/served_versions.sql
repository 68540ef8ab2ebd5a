-- The versions of a repository that distributions serve: themselves, through a publication, through the
-- repository, of which the newest publication is served, and as checkpoints. They are neither deleted nor left
-- behind by retention (C15, C16).
CREATE OR REPLACE FUNCTION served_versions(p_repository uuid)
RETURNS TABLE (version_id uuid, distribution text) STABLE LANGUAGE sql AS $$
    WITH published AS NOT MATERIALIZED (
        SELECT p.pulp_id, p.repository_version_id, p.checkpoint, p.pulp_created, v.number
        FROM repository_version v JOIN publication p ON p.repository_version_id = v.pulp_id
        WHERE v.repository_id = p_repository AND v.complete AND p.complete)
    SELECT v.pulp_id, d.name FROM distribution d
    JOIN repository_version v ON v.pulp_id = d.repository_version_id AND v.repository_id = p_repository
    UNION ALL
    SELECT p.repository_version_id, d.name FROM distribution d JOIN published p ON p.pulp_id = d.publication_id
    UNION ALL
    SELECT newest.repository_version_id, d.name FROM distribution d
    CROSS JOIN LATERAL (
        SELECT repository_version_id FROM published ORDER BY number DESC, pulp_created DESC LIMIT 1) AS newest
    WHERE d.repository_id = p_repository
    UNION ALL
    SELECT p.repository_version_id, d.name FROM distribution d JOIN published p ON p.checkpoint
    WHERE d.repository_id = p_repository AND d.checkpoint
$$;
