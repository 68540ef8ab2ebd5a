//! Kinds of objects: the names under which clients know a model, all derived from one, and which table holds
//! it.

use std::collections::HashMap;

use futures_util::future::BoxFuture;
use sea_orm::DatabaseTransaction;
use uuid::Uuid;

use crate::row::RowId;
use crate::{Prn, Result, Scope};

/// What identifies a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// `pulp_id`, a UUID.
    Uuid,
    /// `id`, an integer, as Django gives users and groups.
    Integer,
}

/// Called in the transaction that creates a row, at once or in a task: what its creator gets, for example.
pub type AfterCreation = for<'a> fn(&'a DatabaseTransaction, &'a Scope, RowId) -> BoxFuture<'a, Result<()>>;

/// A model of core or of a plugin.
#[derive(Debug)]
pub struct Kind {
    /// Its name in the API document, such as `file.FileRepository`; core's have no prefix.
    pub name: &'static str,
    /// Path below the root of the REST API without slashes at its ends, such as `repositories/file/file`.
    pub path: &'static str,
    /// The table of the row: several kinds share the table of their master, such as `repository`.
    pub table: &'static str,
    /// The value of the column `pulp_type`, such as `file.file`; none where the table has no such column.
    pub pulp_type: Option<&'static str>,
    /// Whether its rows belong to a domain.
    pub in_domain: bool,
    /// What identifies its rows.
    pub key: Key,
    /// The table of what is special to the type, one row for each of `table`, with the same key.
    pub own_table: Option<&'static str>,
    /// What to do in the transaction that creates a row.
    pub after_creation: Option<AfterCreation>,
    /// `<app>.<model>` of its PRN where it does not follow from the name.
    model: Option<&'static str>,
}

/// There is one kind at a path.
impl PartialEq for Kind {
    fn eq(&self, other: &Kind) -> bool {
        self.path == other.path
    }
}

impl Eq for Kind {}

impl Kind {
    /// A kind of core that has a table to itself.
    pub const fn core(name: &'static str, table: &'static str, path: &'static str) -> Kind {
        Kind {
            name,
            path,
            table,
            pulp_type: None,
            in_domain: true,
            key: Key::Uuid,
            own_table: None,
            after_creation: None,
            model: None,
        }
    }

    /// A type of a plugin in a table that several types share; `name` as `file.FileRepository`.
    pub const fn typed(
        name: &'static str,
        table: &'static str,
        pulp_type: &'static str,
        path: &'static str,
    ) -> Kind {
        Kind { pulp_type: Some(pulp_type), ..Kind::core(name, table, path) }
    }

    /// Says that its rows belong to the installation, not to a domain.
    #[must_use]
    pub const fn of_the_installation(self) -> Kind {
        Kind { in_domain: false, ..self }
    }

    /// Says that its rows have integers as ids.
    #[must_use]
    pub const fn with_integer_key(self) -> Kind {
        Kind { key: Key::Integer, ..self }
    }

    /// Keeps what is special to the type in a table of its own. Its key is called as that of the shared
    /// table, and refers to it: `pulp_id uuid PRIMARY KEY REFERENCES remote ON DELETE CASCADE`.
    #[must_use]
    pub const fn with_own_table(self, table: &'static str) -> Kind {
        Kind { own_table: Some(table), ..self }
    }

    /// Sets what to do in the transaction that creates a row.
    #[must_use]
    pub const fn after_creation(self, hook: AfterCreation) -> Kind {
        Kind { after_creation: Some(hook), ..self }
    }

    /// Says that its PRN and its permissions have another model than the name.
    #[must_use]
    pub const fn modelled_as(self, model: &'static str) -> Kind {
        Kind { model: Some(model), ..self }
    }

    /// The id that a text stands for; none if no row of the kind can have it.
    pub fn id(&self, text: &str) -> Option<RowId> {
        match self.key {
            Key::Uuid => text.parse().map(RowId::Uuid).ok(),
            Key::Integer => text.parse().map(RowId::Integer).ok(),
        }
    }

    /// The value of the column `pulp_type`; empty where the table has no such column.
    pub fn type_name(&self) -> &'static str {
        self.pulp_type.unwrap_or_default()
    }

    /// `<app>.<model>`, such as `file.filerepository`.
    pub fn model(&self) -> String {
        match self.model {
            Some(model) => model.to_owned(),
            None if self.name.contains('.') => self.name.to_ascii_lowercase(),
            None => format!("core.{}", self.name.to_ascii_lowercase()),
        }
    }

    /// The PRN of one object of this kind.
    pub fn prn(&self, id: impl std::fmt::Display) -> Prn {
        Prn::new(format!("prn:{}:{id}", self.model()))
    }

    /// What the operationIds of its endpoints begin with: `repositories_file_file` (R04).
    pub fn operation(&self) -> String {
        self.path.replace(['/', '-'], "_")
    }

    /// The tag of its operations: `Repositories: File` (R05).
    pub fn tag(&self) -> String {
        let mut segments = self.path.split('/');
        let master = title(segments.next().unwrap_or_default());
        match segments.next_back() {
            Some(last) => format!("{master}: {}", title(last)),
            None => master,
        }
    }

    /// The parameter that holds the href of one object in the document: `file_file_repository_href` (R06).
    pub fn href_parameter(&self) -> String {
        let model = self.model();
        let (app, _) = model.split_once('.').unwrap_or(("core", ""));
        let name = self.name.rsplit('.').next().unwrap_or_default();
        let mut parameter = if app == "core" { String::new() } else { app.to_owned() };
        for letter in name.chars() {
            if letter.is_ascii_uppercase() && !parameter.is_empty() {
                parameter.push('_');
            }
            parameter.push(letter.to_ascii_lowercase());
        }
        parameter + "_href"
    }

    /// The permission to do something with an object of this kind: `file.view_filerepository`.
    pub fn permission(&self, verb: &str) -> String {
        let model = self.model();
        let (app, model) = model.split_once('.').unwrap_or(("core", &model));
        format!("{app}.{verb}_{model}")
    }

    /// What people call it: `file repository`, `task group`.
    pub fn noun(&self) -> String {
        let name: Vec<char> = self.name.rsplit('.').next().unwrap_or_default().chars().collect();
        let mut noun = String::new();
        for (at, letter) in name.iter().enumerate() {
            let next_is_lower = name.get(at + 1).is_some_and(char::is_ascii_lowercase);
            let begins_word =
                letter.is_ascii_uppercase() && at > 0 && (next_is_lower || name[at - 1].is_ascii_lowercase());
            if begins_word {
                noun.push(' ');
            }
            // An acronym stays as it is.
            let in_acronym = letter.is_ascii_uppercase()
                && !next_is_lower
                && (at + 1 < name.len()
                    || name.get(at.wrapping_sub(1)).is_some_and(char::is_ascii_uppercase));
            noun.push(if in_acronym { *letter } else { letter.to_ascii_lowercase() });
        }
        noun
    }

    /// [`Kind::noun`] of several: `file repositories`.
    pub fn nouns(&self) -> String {
        let noun = self.noun();
        match noun.strip_suffix('y') {
            Some(stem) => format!("{stem}ies"),
            None if noun.ends_with("content") => noun,
            None => format!("{noun}s"),
        }
    }

    /// [`Kind::noun`] of one, with its article: `an artifact`, `a file content unit`.
    pub fn a_noun(&self) -> String {
        let noun = self.noun();
        let article =
            if ["a", "e", "i", "o", "up"].iter().any(|start| noun.starts_with(start)) { "an" } else { "a" };
        match noun.ends_with("content") {
            true => format!("{article} {noun} unit"),
            false => format!("{article} {noun}"),
        }
    }
}

fn title(segment: &str) -> String {
    let mut begins = true;
    let capital = |letter: char| {
        let shown = if begins { letter.to_ascii_uppercase() } else { letter };
        begins = !letter.is_ascii_alphanumeric();
        shown
    };
    segment.chars().map(capital).collect()
}

/// Domains.
pub static DOMAIN: Kind = Kind::core("Domain", "domain", "domains").of_the_installation();
/// Users of the API; their ids are integers.
pub static USER: Kind = Kind::core("User", "auth_user", "users")
    .modelled_as("auth.user")
    .of_the_installation()
    .with_integer_key();
/// Artifacts.
pub static ARTIFACT: Kind = Kind::core("Artifact", "artifact", "artifacts");
/// Uploads.
pub static UPLOAD: Kind = Kind::core("Upload", "upload", "uploads");
/// Tasks.
pub static TASK: Kind = Kind::core("Task", "task", "tasks");
/// Task groups.
pub static TASK_GROUP: Kind = Kind::core("TaskGroup", "task_group", "task-groups");
/// Schedules of tasks.
pub static TASK_SCHEDULE: Kind = Kind::core("TaskSchedule", "task_schedule", "task-schedules");
/// Workers and the resource manager.
pub static WORKER: Kind =
    Kind::core("Worker", "process", "workers").modelled_as("core.appstatus").of_the_installation();
/// Repository versions; their hrefs lie below that of the repository.
pub static REPOSITORY_VERSION: Kind =
    Kind::core("RepositoryVersion", "repository_version", "repository_versions");

static CORE: [&Kind; 9] =
    [&DOMAIN, &USER, &ARTIFACT, &UPLOAD, &TASK, &TASK_GROUP, &TASK_SCHEDULE, &WORKER, &REPOSITORY_VERSION];

/// The kinds that a process knows: core's and those of its plugins.
#[derive(Debug)]
pub struct Kinds {
    all: Vec<&'static Kind>,
    by_model: HashMap<String, &'static Kind>,
    by_path: HashMap<&'static str, &'static Kind>,
    by_type: HashMap<(&'static str, &'static str), &'static Kind>,
}

impl Kinds {
    /// Core's kinds and these.
    pub fn new(plugins: impl IntoIterator<Item = &'static Kind>) -> Kinds {
        let all: Vec<&'static Kind> = CORE.into_iter().chain(plugins).collect();
        Kinds {
            by_model: all.iter().map(|kind| (kind.model(), *kind)).collect(),
            by_path: all.iter().map(|kind| (kind.path, *kind)).collect(),
            by_type: all.iter().map(|kind| ((kind.table, kind.type_name()), *kind)).collect(),
            all,
        }
    }

    /// All of them, core's first.
    pub fn iter(&self) -> impl Iterator<Item = &'static Kind> {
        self.all.iter().copied()
    }

    /// The kind of the rows of `table` with this `pulp_type`; `None` if its plugin is not installed.
    pub fn of(&self, table: &str, pulp_type: &str) -> Option<&'static Kind> {
        self.by_type.get(&(table, pulp_type)).copied()
    }

    /// The kind of a PRN's `<app>.<model>`.
    pub fn of_model(&self, model: &str) -> Option<&'static Kind> {
        self.by_model.get(model).copied()
    }

    /// The kind whose list is at this path below the root.
    pub fn at(&self, path: &str) -> Option<&'static Kind> {
        self.by_path.get(path).copied()
    }

    /// What a PRN names: its kind, and the id as it stands there.
    pub fn of_prn<'a>(&self, prn: &'a str) -> Option<(&'static Kind, &'a str)> {
        let (model, id) = prn.strip_prefix("prn:")?.split_once(':')?;
        Some((self.of_model(model)?, id))
    }

    /// What the PRN of an object with a UUID names.
    pub fn object(&self, prn: &str) -> Option<(&'static Kind, Uuid)> {
        let (kind, id) = self.of_prn(prn)?;
        Some((kind, id.parse().ok()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_follows_from_one() {
        let repository =
            Kind::typed("file.FileRepository", "repository", "file.file", "repositories/file/file");
        assert_eq!(repository.model(), "file.filerepository");
        assert_eq!(repository.operation(), "repositories_file_file");
        assert_eq!(repository.tag(), "Repositories: File");
        assert_eq!(repository.href_parameter(), "file_file_repository_href");
        assert_eq!(repository.permission("view"), "file.view_filerepository");
        assert_eq!(
            (repository.noun(), repository.nouns()),
            ("file repository".into(), "file repositories".into())
        );
        assert_eq!((TASK_GROUP.operation(), TASK_GROUP.tag()), ("task_groups".into(), "Task-Groups".into()));
        assert_eq!((USER.href_parameter(), USER.model()), ("auth_user_href".into(), "auth.user".into()));
        let guard = Kind::core("RBACContentGuard", "content_guard", "contentguards/core/rbac");
        assert_eq!(guard.href_parameter(), "r_b_a_c_content_guard_href");
        assert_eq!((guard.noun(), guard.tag()), ("RBAC content guard".into(), "Contentguards: Rbac".into()));
        let nouns = [&ARTIFACT, &UPLOAD, &USER].map(Kind::a_noun);
        assert_eq!(nouns, ["an artifact", "an upload", "a user"]);
    }
}
