//! What a type of content is: the kind of its units, the table of what is special to them, and what
//! identifies one.

use entities::Kind;
use serde::Serialize;

/// A type of content, as a plugin declares it: a small value that needs no registration.
///
/// What all content has in common is in core's tables. What is special to the type is a row of a table that
/// the plugin creates in a migration. Its first two columns and the unique key are those of every such table:
///
/// ```sql
/// CREATE TABLE python_package (
///     content_id uuid PRIMARY KEY REFERENCES content ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED,
///     pulp_domain_id uuid NOT NULL REFERENCES domain,
///     filename text NOT NULL,
///     version text NOT NULL,
///     sha256 text NOT NULL,
///     UNIQUE (pulp_domain_id, sha256)
/// );
/// ```
///
/// Units are written and looked up a few hundred at a time, so the key needs its index, with the domain
/// first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ContentType {
    /// How the units are called in `pulp_type`, hrefs and PRNs.
    pub kind: &'static Kind,
    /// The type's own table.
    pub table: &'static str,
    /// The columns that identify a unit within a domain (the natural key); none of them may be null.
    pub key: &'static [&'static str],
}

/// What is special to one unit: a row of the type's own table, without `content_id` and `pulp_domain_id`.
///
/// The names of the fields are those of the columns; what a field serialises to is what
/// `jsonb_populate_recordset` reads into the column: text, numbers, booleans, null, arrays, objects for
/// `jsonb`.
///
/// ```
/// use entities::Kind;
/// use tasking::{Content, ContentType};
///
/// static PACKAGE: Kind =
///     Kind::typed("python.PythonPackageContent", "content", "python.python", "content/python/packages");
///
/// #[derive(serde::Serialize)]
/// struct Package {
///     filename: String,
///     version: String,
///     sha256: String,
/// }
///
/// impl Content for Package {
///     const TYPE: ContentType = ContentType::new(&PACKAGE, "python_package", &["sha256"]);
/// }
/// ```
pub trait Content: Serialize + Send + 'static {
    /// The type of the unit.
    const TYPE: ContentType;
}

impl ContentType {
    /// A type of content with a table and a natural key.
    ///
    /// # Panics If there is no key, or a name is not one of lower-case letters, digits and underscores. In a
    /// constant, the compiler says so.
    pub const fn new(kind: &'static Kind, table: &'static str, key: &'static [&'static str]) -> ContentType {
        assert!(is_plain(table), "the table needs a plain name");
        assert!(!key.is_empty(), "a type of content needs a natural key");
        assert_plain(key);
        ContentType { kind, table, key }
    }
}

/// Panics if one of the columns is not named plainly: names become a part of SQL text.
pub(crate) const fn assert_plain(columns: &[&str]) {
    let mut index = 0;
    while index < columns.len() {
        assert!(is_plain(columns[index]), "a column needs a plain name");
        index += 1;
    }
}

/// Whether a name can stand in SQL as it is.
pub(crate) const fn is_plain(name: &str) -> bool {
    let bytes = name.as_bytes();
    let mut index = 0;
    while index < bytes.len() {
        if !matches!(bytes[index], b'a'..=b'z' | b'0'..=b'9' | b'_') {
            return false;
        }
        index += 1;
    }
    !bytes.is_empty()
}
