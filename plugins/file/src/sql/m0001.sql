-- A file is a path and the SHA-256 of its bytes; the same pair is one unit, whoever brings it (C06). The
-- unit's row in content is written second, when it is known which units are new: hence the deferred check.
-- Byte order makes "everything below a directory" a range of the index.
CREATE TABLE file_content (
    content_id uuid PRIMARY KEY REFERENCES content ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED,
    pulp_domain_id uuid NOT NULL REFERENCES domain,
    relative_path text COLLATE "C" NOT NULL,
    sha256 text NOT NULL,
    UNIQUE (pulp_domain_id, relative_path, sha256)
);
CREATE INDEX file_content_by_digest ON file_content (sha256);
