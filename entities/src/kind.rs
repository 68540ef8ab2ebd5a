//! Kinds of objects: how a model is called in hrefs and PRNs, and which table holds it.

use std::sync::OnceLock;

use uuid::Uuid;

use crate::{Href, Prn};

/// A model of core or of a plugin, under the names that clients know.
#[derive(Debug, PartialEq, Eq)]
pub struct Kind {
    /// The table of the row: several kinds share the table of their master, such as `repository`.
    pub table: &'static str,
    /// The value of `pulp_type`, such as `file.file`; for objects without types, `<app>.<model>`.
    pub pulp_type: &'static str,
    /// `<app>.<model>` of the PRN, such as `file.filerepository`.
    pub model: &'static str,
    /// Path below `/pulp/api/v3/` without slashes at its ends, such as `repositories/file/file`.
    pub path: &'static str,
}

impl Kind {
    /// A kind that has a table to itself.
    const fn core(table: &'static str, model: &'static str, path: &'static str) -> Kind {
        Kind { table, pulp_type: model, model, path }
    }

    /// The href of one object of this kind.
    pub fn href(&self, id: impl std::fmt::Display) -> Href {
        Href::new(format!("{}{}/{id}/", crate::href::API_ROOT, self.path))
    }

    /// The href of a version of the repository `id`, which has to be of this kind.
    pub fn version_href(&self, id: Uuid, number: i32) -> Href {
        Href::new(format!("{}{}/{id}/versions/{number}/", crate::href::API_ROOT, self.path))
    }

    /// The PRN of one object of this kind.
    pub fn prn(&self, id: impl std::fmt::Display) -> Prn {
        Prn::new(format!("prn:{}:{id}", self.model))
    }
}

/// Domains.
pub static DOMAIN: Kind = Kind::core("domain", "core.domain", "domains");
/// Users of the API; their ids are integers.
pub static USER: Kind = Kind::core("auth_user", "auth.user", "users");
/// Artifacts.
pub static ARTIFACT: Kind = Kind::core("artifact", "core.artifact", "artifacts");
/// Uploads.
pub static UPLOAD: Kind = Kind::core("upload", "core.upload", "uploads");
/// Tasks.
pub static TASK: Kind = Kind::core("task", "core.task", "tasks");
/// Task groups.
pub static TASK_GROUP: Kind = Kind::core("task_group", "core.taskgroup", "task-groups");
/// Schedules of tasks.
pub static TASK_SCHEDULE: Kind = Kind::core("task_schedule", "core.taskschedule", "task-schedules");
/// Workers and the resource manager.
pub static WORKER: Kind = Kind::core("process", "core.appstatus", "workers");
/// Repository versions; their hrefs come from [`Kind::version_href`] of the repository's kind.
pub static REPOSITORY_VERSION: Kind =
    Kind::core("repository_version", "core.repositoryversion", "repository_versions");

static CORE: [&Kind; 9] =
    [&DOMAIN, &USER, &ARTIFACT, &UPLOAD, &TASK, &TASK_GROUP, &TASK_SCHEDULE, &WORKER, &REPOSITORY_VERSION];

static PLUGINS: OnceLock<Vec<&'static Kind>> = OnceLock::new();

/// Makes the plugins' kinds known; every process does so once at its start, before anything else.
/// Later calls change nothing.
pub fn install(kinds: Vec<&'static Kind>) {
    let _ = PLUGINS.set(kinds);
}

/// Every known kind, core's first.
pub fn all() -> impl Iterator<Item = &'static Kind> {
    CORE.iter().copied().chain(PLUGINS.get().into_iter().flatten().copied())
}

/// The kind of the rows of `table` with this `pulp_type`; `None` if its plugin is not installed.
pub fn of(table: &str, pulp_type: &str) -> Option<&'static Kind> {
    all().find(|kind| kind.table == table && kind.pulp_type == pulp_type)
}
