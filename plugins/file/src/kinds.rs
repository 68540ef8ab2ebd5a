//! How the plugin's objects are called.

use entities::Kind;

/// The `pulp_type` of everything here.
pub const PULP_TYPE: &str = "file.file";

/// Repositories.
pub static REPOSITORY: Kind = kind("file.FileRepository", "repository", "repositories/file/file");
/// Remotes.
pub static REMOTE: Kind = kind("file.FileRemote", "remote", "remotes/file/file");
/// Publications.
pub static PUBLICATION: Kind = kind("file.FilePublication", "publication", "publications/file/file");
/// Distributions.
pub static DISTRIBUTION: Kind = kind("file.FileDistribution", "distribution", "distributions/file/file");
/// Content.
pub static CONTENT: Kind = kind("file.FileContent", "content", "content/file/files");

/// All of them.
pub static ALL: [&Kind; 5] = [&REPOSITORY, &REMOTE, &PUBLICATION, &DISTRIBUTION, &CONTENT];

const fn kind(name: &'static str, table: &'static str, path: &'static str) -> Kind {
    Kind::typed(name, table, PULP_TYPE, path)
}
