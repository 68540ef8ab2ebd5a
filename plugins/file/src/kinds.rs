//! How the plugin's objects are called.

use entities::Kind;

/// The `pulp_type` of everything here.
pub const PULP_TYPE: &str = "file.file";

/// Repositories.
pub static REPOSITORY: Kind = kind("repository", "file.filerepository", "repositories/file/file");
/// Remotes.
pub static REMOTE: Kind = kind("remote", "file.fileremote", "remotes/file/file");
/// Publications.
pub static PUBLICATION: Kind = kind("publication", "file.filepublication", "publications/file/file");
/// Distributions.
pub static DISTRIBUTION: Kind = kind("distribution", "file.filedistribution", "distributions/file/file");
/// Content.
pub static CONTENT: Kind = kind("content", "file.filecontent", "content/file/files");

/// All of them.
pub static ALL: [&Kind; 5] = [&REPOSITORY, &REMOTE, &PUBLICATION, &DISTRIBUTION, &CONTENT];

const fn kind(table: &'static str, model: &'static str, path: &'static str) -> Kind {
    Kind { table, pulp_type: PULP_TYPE, model, path }
}
