//! What responses begin with: what an object is called, and when it was created and last changed.

use chrono::{DateTime, Utc};
use entities::{
    Kind, artifact, content, distribution, domain, process, publication, remote, repository, task,
    task_schedule, upload,
};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{Link, Name, Time};
use crate::reader::Reader;

/// A row with a UUID that knows when it was created and last changed.
pub trait Dated {
    /// Its id.
    fn id(&self) -> Uuid;

    /// When it was created, and when it last changed.
    fn times(&self) -> (DateTime<Utc>, DateTime<Utc>);
}

macro_rules! dated {
    ($($entity:ident),*) => {
        $(impl Dated for $entity::Model {
            fn id(&self) -> Uuid {
                self.pulp_id
            }

            fn times(&self) -> (DateTime<Utc>, DateTime<Utc>) {
                (self.pulp_created, self.pulp_last_updated)
            }
        })*
    };
}

dated!(artifact, content, distribution, domain, process, publication, remote, repository);
dated!(task, task_schedule, upload);

/// Of an object whose kind is known.
#[derive(Debug, Serialize, ToSchema)]
pub struct Identity {
    pulp_href: Link,
    prn: Name,
    pulp_created: Time,
    pulp_last_updated: Time,
}

/// Of an object in a table that several types share. It has no name if the plugin of its type is not
/// installed.
#[derive(Debug, Serialize, ToSchema)]
pub struct TypedIdentity {
    pulp_href: Option<Link>,
    prn: Option<Name>,
    pulp_created: Time,
    pulp_last_updated: Time,
}

impl Identity {
    /// Of a row of a kind.
    pub fn of(kind: &Kind, row: &impl Dated, reader: &Reader<'_>) -> Identity {
        let (created, updated) = row.times();
        Identity {
            pulp_href: Link(reader.links.href(kind, row.id())),
            prn: Name(kind.prn(row.id())),
            pulp_created: created.into(),
            pulp_last_updated: updated.into(),
        }
    }
}

impl TypedIdentity {
    /// Of a row of a table, with its `pulp_type`.
    pub fn of(table: &str, pulp_type: &str, row: &impl Dated, reader: &Reader<'_>) -> TypedIdentity {
        let kind = reader.links.kinds().of(table, pulp_type);
        let (created, updated) = row.times();
        TypedIdentity {
            pulp_href: kind.map(|kind| Link(reader.links.href(kind, row.id()))),
            prn: kind.map(|kind| Name(kind.prn(row.id()))),
            pulp_created: created.into(),
            pulp_last_updated: updated.into(),
        }
    }
}
