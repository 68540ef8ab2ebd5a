//! What a type of repository is: the content it takes, what is unique in a version, and what happens around
//! completion.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::Context;
use entities::{Kind, repository_version};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use sea_orm::{ConnectionTrait, FromQueryResult};
use uuid::Uuid;

use crate::content_type::assert_plain;
use crate::version::Draft;
use crate::{ContentType, FencedTransaction, TaskContext};

/// A type of repository, as a plugin declares it.
///
/// A third party builds the value in its plugin and passes it on with its tasks; nothing is registered
/// process-wide:
///
/// ```
/// # use entities::Kind;
/// # use tasking::{ContentType, RepositoryType, Tasks};
/// # static REPOSITORY: Kind =
/// #     Kind::typed("file.FileRepository", "repository", "file.file", "repositories/file/file");
/// # static CONTENT: Kind =
/// #     Kind::typed("file.FileContent", "content", "file.file", "content/file/files");
/// const FILE: ContentType = ContentType::new(&CONTENT, "file_content", &["relative_path", "sha256"]);
///
/// let repositories = RepositoryType::new(&REPOSITORY).takes(FILE).paths(FILE, "relative_path");
/// let tasks = Tasks::default().with_repositories([repositories]);
/// ```
#[derive(Clone)]
pub struct RepositoryType {
    kind: &'static Kind,
    content: Vec<ContentType>,
    keys: Vec<RepositoryKey>,
    hooks: Arc<dyn Hooks>,
}

/// Columns of a type of content that no two units of a version may have in common (C13).
#[derive(Clone, Debug)]
pub(crate) struct RepositoryKey {
    pub(crate) content: ContentType,
    pub(crate) columns: Vec<&'static str>,
    /// Whether the one column is a path, which cannot be that of a file and of a directory.
    pub(crate) is_path: bool,
}

/// What a plugin does around the completion of a version, beyond what it declares.
pub trait Hooks: Send + Sync + 'static {
    /// Called in the transaction that completes the version, before its keys are checked: may add and remove
    /// units, or refuse the version by an error.
    fn before_completion<'a>(
        &'a self,
        _txn: &'a FencedTransaction,
        _draft: &'a mut Draft,
    ) -> BoxFuture<'a, anyhow::Result<()>> {
        async { Ok(()) }.boxed()
    }

    /// Called after the version is complete, in the task that created it; publishes it if the repository
    /// wants that (C23).
    fn after_completion<'a>(
        &'a self,
        _cx: &'a TaskContext,
        _version: &'a repository_version::Model,
    ) -> BoxFuture<'a, anyhow::Result<()>> {
        async { Ok(()) }.boxed()
    }
}

/// Does nothing.
struct NoHooks;

impl Hooks for NoHooks {}

impl RepositoryType {
    /// A type of repository that takes no content yet.
    pub fn new(kind: &'static Kind) -> RepositoryType {
        RepositoryType { kind, content: Vec::new(), keys: Vec::new(), hooks: Arc::new(NoHooks) }
    }

    /// Takes units of this type.
    #[must_use]
    pub fn takes(mut self, content: ContentType) -> RepositoryType {
        self.content.push(content);
        self
    }

    /// No two units of a version have the same values in these columns: an added unit takes the place of an
    /// older one, two added ones are an error (C13). The columns need an index of the type's table, with the
    /// domain first.
    ///
    /// # Panics
    /// If a column is not named plainly.
    #[must_use]
    pub fn unique(self, content: ContentType, columns: &'static [&'static str]) -> RepositoryType {
        self.key(content, columns, false)
    }

    /// As [`RepositoryType::unique`] for a column that is a path: moreover, no path is both a file and, for
    /// another unit, a directory. The column has to be collated by bytes (`COLLATE "C"`).
    ///
    /// # Panics
    /// If the column is not named plainly.
    #[must_use]
    pub fn paths(self, content: ContentType, column: &'static str) -> RepositoryType {
        self.key(content, &[column], true)
    }

    fn key(mut self, content: ContentType, columns: &[&'static str], is_path: bool) -> RepositoryType {
        assert_plain(columns);
        self.keys.push(RepositoryKey { content, columns: columns.to_vec(), is_path });
        self
    }

    /// What happens around the completion of each version.
    #[must_use]
    pub fn with_hooks(mut self, hooks: impl Hooks) -> RepositoryType {
        self.hooks = Arc::new(hooks);
        self
    }

    /// The kind of the repositories.
    pub fn kind(&self) -> &'static Kind {
        self.kind
    }

    /// The types of content that the repositories take.
    pub fn content(&self) -> &[ContentType] {
        &self.content
    }

    /// Whether the repositories take content of this `pulp_type`.
    pub fn accepts(&self, pulp_type: &str) -> bool {
        self.content.iter().any(|content| content.kind.type_name() == pulp_type)
    }

    /// Which of these units the repositories do not take, with their types: what a request that would add
    /// them is refused for. Units that do not exist are passed over.
    ///
    /// # Errors
    /// If the database is away.
    pub async fn foreign(
        &self,
        db: &impl ConnectionTrait,
        units: &[Uuid],
    ) -> entities::Result<Vec<ForeignUnit>> {
        const FOREIGN: &str = "SELECT pulp_id, pulp_type FROM content
                               WHERE pulp_id = ANY($1) AND pulp_type <> ALL($2) ORDER BY pulp_id";
        let types: Vec<String> =
            self.content.iter().map(|content| content.kind.type_name().to_owned()).collect();
        let statement = entities::db::sql(FOREIGN, [units.to_vec().into(), types.into()]);
        Ok(ForeignUnit::find_by_statement(statement).all(db).await?)
    }

    pub(crate) fn keys(&self) -> &[RepositoryKey] {
        &self.keys
    }

    pub(crate) fn hooks(&self) -> Arc<dyn Hooks> {
        self.hooks.clone()
    }
}

impl std::fmt::Debug for RepositoryType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RepositoryType").field("kind", &self.kind).finish_non_exhaustive()
    }
}

/// A unit whose type a repository does not take.
#[derive(Clone, Debug, PartialEq, Eq, FromQueryResult)]
pub struct ForeignUnit {
    /// The unit.
    pub pulp_id: Uuid,
    /// Its type.
    pub pulp_type: String,
}

/// The types of repositories that a process knows, by `pulp_type`: a value that comes with [`crate::Tasks`].
#[derive(Clone, Debug, Default)]
pub struct RepositoryTypes(BTreeMap<&'static str, Arc<RepositoryType>>);

impl RepositoryTypes {
    /// Adds a type.
    ///
    /// # Panics
    /// If two plugins bring the same `pulp_type`.
    pub(crate) fn add(&mut self, repositories: Arc<RepositoryType>) {
        let pulp_type = repositories.kind.type_name();
        let taken = self.0.insert(pulp_type, repositories).is_some();
        assert!(!taken, "two types of repositories are called {pulp_type}");
    }

    /// Adds the types of others.
    ///
    /// # Panics
    /// As [`RepositoryTypes::add`].
    pub(crate) fn extend(&mut self, others: RepositoryTypes) {
        others.0.into_values().for_each(|repositories| self.add(repositories));
    }

    /// The type of a name; `None` if no plugin of this process brings it.
    pub fn of(&self, pulp_type: &str) -> Option<&Arc<RepositoryType>> {
        self.0.get(pulp_type)
    }

    /// The type of a name.
    ///
    /// # Errors
    /// If no plugin of this process brings it.
    pub fn get(&self, pulp_type: &str) -> anyhow::Result<Arc<RepositoryType>> {
        let found = self.0.get(pulp_type).cloned();
        found.with_context(|| format!("no plugin of this worker knows {pulp_type} repositories"))
    }
}
