//! One unit of content as it is declared: its row, its artifacts, and the units it refers to.

use anyhow::Context;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::{DeclaredArtifact, Handle};
use crate::content_type::is_plain;
use crate::{Content, ContentType};

/// A unit that is to be found or created.
///
/// ```
/// # use entities::{Kind, checksum::{Digests, Expected}};
/// # use tasking::{Content, ContentType, units::{DeclaredArtifact, Unit}};
/// # static PACKAGE: Kind =
/// #     Kind::typed("t.Unit", "content", "t.t", "content/t/t");
/// # #[derive(serde::Serialize)]
/// # struct Package { filename: String, sha256: String }
/// # impl Content for Package {
/// #     const TYPE: ContentType = ContentType::new(&PACKAGE, "t_package", &["sha256"]);
/// # }
/// # fn main() -> anyhow::Result<()> {
/// # let (sha256, url) = ("00".repeat(32), "http://upstream/a.whl");
/// let expected = Expected { size: Some(3), digests: Digests::sha256(sha256.clone()) };
/// let metadata = DeclaredArtifact::remote("a.whl.metadata", format!("{url}.metadata"), Expected::default());
/// let unit = Unit::of(&Package { filename: "a.whl".into(), sha256 })?
///     .with(DeclaredArtifact::remote("a.whl", url, expected))
///     .with(metadata.now());
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Unit {
    pub(crate) content: ContentType,
    pub(crate) row: Map<String, Value>,
    pub(crate) artifacts: Vec<DeclaredArtifact>,
    pub(crate) references: Vec<(Reference, Handle)>,
    /// Link tables, and the units they lead to.
    pub(crate) links: Vec<(&'static str, Uuid)>,
    pub(crate) handle: Option<Handle>,
}

/// Where the id of another unit goes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Reference {
    /// Into a column of the unit's row.
    Column(&'static str),
    /// Into a row of a link table.
    Link(&'static str),
}

impl Unit {
    /// A unit without artifacts.
    ///
    /// # Errors
    /// If the content does not serialise to an object.
    pub fn of<C: Content>(content: &C) -> anyhow::Result<Unit> {
        let row = serde_json::to_value(content)?;
        let Value::Object(row) = row else {
            anyhow::bail!("{} content is not a struct with named fields", C::TYPE.kind.type_name());
        };
        Ok(Unit {
            content: C::TYPE,
            row,
            artifacts: Vec::new(),
            references: Vec::new(),
            links: Vec::new(),
            handle: None,
        })
    }

    /// Adds an artifact.
    #[must_use]
    pub fn with(mut self, artifact: DeclaredArtifact) -> Unit {
        self.artifacts.push(artifact);
        self
    }

    /// Sets a column to the id of a unit that was declared earlier in the same sync, such as the release of a
    /// package list; the column may be a part of the key. Nothing has to wait for it.
    #[must_use]
    pub fn referring(mut self, column: &'static str, to: &Handle) -> Unit {
        self.references.push((Reference::Column(column), to.clone()));
        self
    }

    /// Links the unit to one that was declared earlier in the same sync, by a row of a table of the plugin:
    /// the blobs of a manifest. What a unit links to belongs to it for ever, as its artifacts do.
    ///
    /// ```sql
    /// CREATE TABLE container_manifest_blob (
    ///     content_id uuid NOT NULL REFERENCES container_manifest ON DELETE CASCADE,
    ///     linked_id uuid NOT NULL REFERENCES container_blob ON DELETE CASCADE,
    ///     PRIMARY KEY (content_id, linked_id)
    /// );
    /// ```
    ///
    /// # Panics
    /// If the table is not named plainly.
    #[must_use]
    pub fn linked(mut self, table: &'static str, to: &Handle) -> Unit {
        assert!(is_plain(table), "a link table needs a plain name");
        self.references.push((Reference::Link(table), to.clone()));
        self
    }

    /// Fills in the ids of units that are written by now. Whether that was all of them.
    pub(crate) fn resolve(&mut self) -> bool {
        let (row, links) = (&mut self.row, &mut self.links);
        self.references.retain(|(reference, handle)| {
            let Some(id) = handle.id() else { return true };
            match reference {
                Reference::Column(column) => drop(row.insert((*column).to_owned(), id.to_string().into())),
                Reference::Link(table) => links.push((table, id)),
            }
            false
        });
        self.references.is_empty()
    }

    /// What the unit is, for messages.
    pub(crate) fn describe(&self) -> String {
        let values: Vec<String> = self
            .content
            .key
            .iter()
            .map(|column| format!("{column} {}", self.row.get(*column).unwrap_or(&Value::Null)))
            .collect();
        format!("the {} unit with {}", self.content.kind.type_name(), values.join(", "))
    }

    /// Checks that every column of the key has a value.
    pub(crate) fn check(&self) -> anyhow::Result<()> {
        for column in self.content.key {
            let value = self.row.get(*column).filter(|value| !value.is_null());
            value.with_context(|| format!("{} lacks {column}", self.describe()))?;
        }
        Ok(())
    }
}
