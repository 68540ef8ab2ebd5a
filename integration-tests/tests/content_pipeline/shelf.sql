CREATE TABLE shelf_book (
    content_id uuid PRIMARY KEY REFERENCES content ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED,
    pulp_domain_id uuid NOT NULL REFERENCES domain,
    title text NOT NULL,
    edition int NOT NULL,
    UNIQUE (pulp_domain_id, title, edition)
);
CREATE TABLE shelf_series (
    content_id uuid PRIMARY KEY REFERENCES content ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED,
    pulp_domain_id uuid NOT NULL REFERENCES domain,
    name text NOT NULL,
    UNIQUE (pulp_domain_id, name)
);
-- The first book of a series.
CREATE TABLE shelf_series_opener (
    content_id uuid NOT NULL REFERENCES shelf_series ON DELETE CASCADE,
    linked_id uuid NOT NULL REFERENCES shelf_book ON DELETE CASCADE,
    PRIMARY KEY (content_id, linked_id)
);
CREATE TABLE shelf_membership (
    content_id uuid PRIMARY KEY REFERENCES content ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED,
    pulp_domain_id uuid NOT NULL REFERENCES domain,
    series_id uuid NOT NULL REFERENCES shelf_series ON DELETE CASCADE,
    book_id uuid NOT NULL REFERENCES shelf_book ON DELETE CASCADE,
    UNIQUE (pulp_domain_id, series_id, book_id)
);
