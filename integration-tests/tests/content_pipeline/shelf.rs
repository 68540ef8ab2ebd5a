//! A content type for these tests, as a plugin would declare it: books of two artifacts, series without
//! artifacts, and the membership of a book in a series, which refers to both.

use entities::Kind;
use entities::checksum::{Digests, Expected};
use sea_orm::FromQueryResult;
use serde::{Deserialize, Serialize};
use tasking::creation::Creation;
use tasking::publish::Publication;
use tasking::sync::{Found, Pipeline, Source};
use tasking::units::{self, DeclaredArtifact, Handle, Unit};
use tasking::{Content, ContentType, RepositoryType, Resources, Task, TaskContext, Tasks, version};
use uuid::Uuid;

pub(crate) const SCHEMA: &str = include_str!("shelf.sql");

pub(crate) static REPOSITORY: Kind =
    Kind::typed("shelf.ShelfRepository", "repository", "shelf.shelf", "repositories/shelf/shelf");
pub(crate) static PUBLICATION: Kind =
    Kind::typed("shelf.ShelfPublication", "publication", "shelf.shelf", "publications/shelf/shelf");
static BOOK: Kind = Kind::typed("shelf.Book", "content", "shelf.book", "content/shelf/books");
static SERIES: Kind = Kind::typed("shelf.Series", "content", "shelf.series", "content/shelf/series");
static MEMBERSHIP: Kind =
    Kind::typed("shelf.Membership", "content", "shelf.membership", "content/shelf/memberships");

/// A book: its text and its signature.
#[derive(Debug, Serialize, FromQueryResult)]
struct Book {
    title: String,
    edition: i32,
}

#[derive(Serialize)]
struct Series {
    name: String,
}

/// Both columns are references.
#[derive(Serialize)]
struct Membership {}

impl Content for Book {
    const TYPE: ContentType = ContentType::new(&BOOK, "shelf_book", &["title", "edition"]);
}

impl Content for Series {
    const TYPE: ContentType = ContentType::new(&SERIES, "shelf_series", &["name"]);
}

impl Content for Membership {
    const TYPE: ContentType = ContentType::new(&MEMBERSHIP, "shelf_membership", &["series_id", "book_id"]);
}

pub(crate) fn tasks() -> Tasks {
    let repositories = RepositoryType::new(&REPOSITORY)
        .takes(Book::TYPE)
        .takes(Series::TYPE)
        .takes(Membership::TYPE)
        .unique(Book::TYPE, &["title"]);
    Tasks::default()
        .with::<Synchronize>()
        .with::<Publish>()
        .with::<Upload>()
        .with_repositories([repositories])
}

/// One line of an upstream's list.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Line {
    pub(crate) title: String,
    pub(crate) edition: i32,
    pub(crate) sha256: String,
    pub(crate) series: Option<String>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Synchronize {
    pub(crate) repository: Uuid,
    pub(crate) remote: Uuid,
    pub(crate) mirror: bool,
    pub(crate) optimize: bool,
    /// Whether the source waits for each unit before it declares the next one.
    pub(crate) patient: bool,
}

impl Task for Synchronize {
    const NAME: &'static str = "shelf.synchronize";

    fn resources(&self) -> Resources {
        Resources::none().exclusive(REPOSITORY.prn(self.repository))
    }

    async fn run(self, cx: TaskContext) -> anyhow::Result<()> {
        let pipeline = Pipeline::begin(&cx, self.repository, self.remote).await?.mirror(self.mirror);
        let url = format!("{}LIST", pipeline.remote().url);
        let list = pipeline.downloader().fetch(&url, &Expected::default()).await?;
        let pipeline = pipeline.fingerprint("list", list.sha256());
        if self.optimize && pipeline.is_unchanged() {
            return pipeline.skip().await;
        }
        let mut bytes = Vec::new();
        let mut stream = cx.pulp().storage.read_staged(&list).await?;
        while let Some(more) = futures_util::TryStreamExt::try_next(&mut stream).await? {
            bytes.extend_from_slice(&more);
        }
        let lines = serde_json::from_slice(&bytes)?;
        let source = List { url: pipeline.remote().url.clone(), lines, patient: self.patient };
        pipeline.run(source).await?;
        pipeline.remember().await
    }
}

struct List {
    url: String,
    lines: Vec<Line>,
    patient: bool,
}

impl List {
    async fn declare(&self, found: &Found, unit: Unit) -> anyhow::Result<Handle> {
        let handle = found.declare(unit).await?;
        if self.patient {
            anyhow::ensure!(!handle.saved().await.is_nil(), "a saved unit has an id");
        }
        Ok(handle)
    }
}

impl Source for List {
    async fn units(self, found: Found) -> anyhow::Result<()> {
        let mut begun = std::collections::HashSet::new();
        for line in &self.lines {
            let url = format!("{}{}-{}", self.url, line.title, line.edition);
            let text = Expected { size: None, digests: Digests::sha256(line.sha256.as_str()) };
            let unit = Unit::of(&Book { title: line.title.clone(), edition: line.edition })?
                .with(DeclaredArtifact::remote("text", format!("{url}.txt"), text))
                .with(DeclaredArtifact::remote("signature", format!("{url}.sig"), Expected::default()).now());
            let book = self.declare(&found, unit).await?;
            if let Some(name) = &line.series {
                let series = Unit::of(&Series { name: name.clone() })?;
                let series = match begun.insert(name) {
                    true => series.linked("shelf_series_opener", &book),
                    false => series,
                };
                let series = self.declare(&found, series).await?;
                let membership =
                    Unit::of(&Membership {})?.referring("series_id", &series).referring("book_id", &book);
                self.declare(&found, membership).await?;
            }
        }
        Ok(())
    }
}

/// Publishes the books, each in a folder, with an index.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Publish {
    pub(crate) version: Uuid,
    /// The name of the index.
    pub(crate) index: String,
}

impl Task for Publish {
    const NAME: &'static str = "shelf.publish";

    fn resources(&self) -> Resources {
        Resources::none()
    }

    async fn run(self, cx: TaskContext) -> anyhow::Result<()> {
        let version = version::complete(&cx, self.version).await?;
        let mut publication = Publication::of(&cx, &version, &PUBLICATION);
        let mut books = units::of_version::<Book>(&cx, &version).await?;
        let mut index = String::new();
        while let Some(book) = futures_util::TryStreamExt::try_next(&mut books).await? {
            let Book { title, edition } = book.content;
            for artifact in book.artifacts {
                let size = artifact.size.map_or("?".to_owned(), |size| size.to_string());
                index.push_str(&format!("{title} {edition} {} {size}\n", artifact.relative_path));
                publication.artifact(&format!("{title}/{}", artifact.relative_path), artifact.id).await?;
            }
        }
        publication.metadata_bytes(&self.index, index).await?;
        publication.finish().await?;
        Ok(())
    }
}

/// A book from bytes: the first line is its title and its edition.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Upload {
    pub(crate) artifact: Uuid,
    pub(crate) repository: Option<Uuid>,
}

impl Task for Upload {
    const NAME: &'static str = "shelf.upload";

    fn resources(&self) -> Resources {
        Resources::none()
    }

    async fn run(self, cx: TaskContext) -> anyhow::Result<()> {
        let creation = Creation {
            given: tasking::creation::Given::Artifact(self.artifact),
            expected: Digests::default(),
            repository: self.repository,
            pulp_labels: [("from".to_owned(), "upload".into())].into_iter().collect(),
        };
        creation
            .run(&cx, async |bytes| {
                let text = tokio::fs::read_to_string(bytes.file().await?).await?;
                anyhow::ensure!(
                    text.as_bytes() == bytes.bytes(100).await?,
                    "both ways lead to the same bytes"
                );
                let first = text.lines().next().unwrap_or_default();
                let (title, edition) =
                    first.split_once(' ').ok_or_else(|| anyhow::anyhow!("{first:?} is no title"))?;
                let unit = Unit::of(&Book { title: title.to_owned(), edition: edition.parse()? })?;
                Ok(unit.with(DeclaredArtifact::stored("text", &bytes.artifact)))
            })
            .await?;
        Ok(())
    }
}
