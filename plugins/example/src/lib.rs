//! How to write a plugin, by the example of one for notes: texts with signatures.
//!
//! An upstream of notes is a folder with an index, `notes.jsonl`, and two files for each note, `NAME.txt` and
//! `NAME.txt.sig`. The plugin mirrors such folders, takes notes from users, and publishes folders of the same
//! form. Read on in this order:
//!
//! 1. [`note`]: what a unit of content is, its table, and what a repository takes;
//! 2. [`index`]: the format of the upstream's metadata;
//! 3. [`synchronize`], [`publish`], [`upload`]: the tasks;
//! 4. [`api`]: the REST API, with an option of remotes;
//! 5. [`search`]: what the content app serves beside the published files.
//!
//! The value [`Notes`] is the plugin, and `main.rs` hands it to `deploy::main`. The executable, `pulp-note`,
//! is used like `pulpcore`: after `pulp-note migrate` all roles are started as usual.

pub mod api;
pub mod index;
pub mod note;
pub mod publish;
pub mod search;
pub mod synchronize;
pub mod upload;

use plugin::{Endpoint, Kind, MigrationTrait, Plugin, PluginInfo, RepositoryType, Service, Tasks};

// The kinds of objects: the name, the core's table, and the path below the root of the REST API. Hrefs, PRNs,
// permissions and the names of operations follow from these.
pub static NOTE: Kind = kind("note.Note", "content", "content/note/notes");
pub static REPOSITORY: Kind = kind("note.NoteRepository", "repository", "repositories/note/note");
pub static REMOTE: Kind = kind("note.NoteRemote", "remote", "remotes/note/note");
pub static PUBLICATION: Kind = kind("note.NotePublication", "publication", "publications/note/note");
pub static DISTRIBUTION: Kind = kind("note.NoteDistribution", "distribution", "distributions/note/note");

const fn kind(name: &'static str, table: &'static str, path: &'static str) -> Kind {
    Kind::typed(name, table, "note.note", path)
}

/// The plugin: each method names what it brings.
pub struct Notes;

impl Plugin for Notes {
    fn info(&self) -> PluginInfo {
        PluginInfo { component: "note", version: "1.0.0", package: "pulp-note", module: "pulp_note.app" }
    }

    fn kinds(&self) -> Vec<&'static Kind> {
        vec![&NOTE, &REPOSITORY, &REMOTE, &PUBLICATION, &DISTRIBUTION]
    }

    fn migrations(&self) -> Vec<Box<dyn MigrationTrait>> {
        vec![Box::new(note::TABLE)]
    }

    fn repositories(&self) -> Vec<RepositoryType> {
        vec![note::repositories()]
    }

    fn tasks(&self) -> Tasks {
        Tasks::default()
            .with::<synchronize::Synchronize>()
            .with::<publish::Publish>()
            .with::<upload::Upload>()
    }

    fn endpoints(&self) -> Vec<Endpoint> {
        api::endpoints()
    }

    fn content_services(&self) -> Vec<Service> {
        vec![Service::live(DISTRIBUTION.type_name(), search::respond)]
    }
}
