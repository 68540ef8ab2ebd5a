//! What the test plugin serves: a root of its own, live paths below its distributions, pull-through, and a
//! guard.

use entities::checksum::Expected;
use entities::storage::Staged;
use entities::{Kind, Pulp, Result, db};
use futures_util::StreamExt;
use futures_util::future::{BoxFuture, ready};
use http::{Method, StatusCode};
use plugin::content::{Answer, Distribution, Guard, GuardedRequest, Request, Response, Service};
use plugin::tasking::units::{DeclaredArtifact, Unit};
use plugin::tasking::{Content, ContentType};
use sea_orm::FromQueryResult;
use serde::Serialize;
use serde_json::json;
use uuid::Uuid;

/// The `pulp_type` of the distributions.
pub const BOOKS: &str = "test.books";

/// The table of the books; a test that pulls books through creates it.
pub const SCHEMA: &str = "
    CREATE TABLE test_book (
        content_id uuid PRIMARY KEY REFERENCES content ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED,
        pulp_domain_id uuid NOT NULL REFERENCES domain,
        title text NOT NULL,
        UNIQUE (pulp_domain_id, title)
    )";

const FIND: &str = "SELECT content_id FROM test_book WHERE pulp_domain_id = $1 AND title = $2";

static BOOK: Kind = Kind::typed("test.Book", "content", "test.book", "content/test/books");

/// A book: one artifact, `text`.
#[derive(Serialize)]
struct Book {
    title: String,
}

impl Content for Book {
    const TYPE: ContentType = ContentType::new(&BOOK, "test_book", &["title"]);
}

#[derive(FromQueryResult)]
struct Found {
    content_id: Uuid,
}

/// All of it.
pub(crate) fn services() -> Vec<Service> {
    vec![
        Service::at("/test/", at_root).methods([Method::GET, Method::PUT]),
        Service::live(BOOKS, live).methods([Method::GET, Method::HEAD, Method::POST]),
    ]
}

/// `PUT /test/<path>` digests the body, unless the path ends with `refused`: then one piece is read of it.
/// `GET /test/<path>` serves a book of the distribution at the path.
async fn at_root(mut request: Request, answer: Answer) -> Result<Option<Response>> {
    if request.method == Method::GET {
        let Some((distribution, title)) = answer.distribution(&request.path).await? else { return Ok(None) };
        return book(&distribution, &title, &answer).await;
    }
    let mut writer = answer.pulp().storage.writer();
    while let Some(bytes) = request.body.next().await {
        let bytes = bytes.map_err(|error| entities::Error::Malformed(error.to_string()))?;
        if request.path.ends_with("refused") {
            return Ok(Some(Answer::status(StatusCode::PAYLOAD_TOO_LARGE)));
        }
        writer.write(bytes).await?;
    }
    let staged = writer.finish(&Expected::default()).await?;
    let told = json!({
        "path": request.path, "query": request.query, "size": staged.size, "sha256": staged.sha256()
    });
    Ok(Some(Answer::json(&told)?))
}

/// `live` is generated, `elsewhere` is a redirect, and `books/<title>` is known or pulled through; all else
/// is left to the usual way.
async fn live(mut request: Request, distribution: Distribution, answer: Answer) -> Result<Option<Response>> {
    if request.method == Method::POST {
        let mut size = 0;
        while let Some(Ok(bytes)) = request.body.next().await {
            size += bytes.len();
        }
        return Ok(Some(Answer::json(&json!({"size": size}))?));
    }
    match (request.path.as_str(), request.path.strip_prefix("books/")) {
        ("live", _) => Ok(Some(Answer::html(format!("<p>{}</p>", distribution.base_path)))),
        ("elsewhere", _) => {
            Ok(Some(Answer::redirect(StatusCode::TEMPORARY_REDIRECT, "https://example.org/")))
        }
        (_, Some(title)) => match book(&distribution, title, &answer).await? {
            Some(known) => Ok(Some(known)),
            None => pulled(&distribution, title.to_owned(), &answer).await,
        },
        _ => Ok(None),
    }
}

async fn book(distribution: &Distribution, title: &str, answer: &Answer) -> Result<Option<Response>> {
    let statement = db::sql(FIND, [distribution.domain.into(), title.into()]);
    match Found::find_by_statement(statement).one(&answer.pulp().db).await? {
        Some(found) => answer.artifact(distribution, found.content_id, "text").await,
        None => Ok(None),
    }
}

async fn pulled(distribution: &Distribution, title: String, answer: &Answer) -> Result<Option<Response>> {
    let Some(remote) = answer.remote(distribution).await? else { return Ok(None) };
    let url = format!("{}{title}", remote.url.trim_end_matches("PULP_MANIFEST"));
    let path = format!("{title}.txt");
    let pulp = answer.pulp().clone();
    let parse = move |staged| read(pulp, title, staged);
    answer.pull(distribution, &remote, &url, &path, Expected::default(), parse).await
}

/// A book is what begins with its title.
async fn read(pulp: Pulp, title: String, staged: Staged) -> anyhow::Result<Unit> {
    let mut stream = pulp.storage.read_staged(&staged).await?;
    let first = stream.next().await.transpose()?.unwrap_or_default();
    anyhow::ensure!(first.starts_with(title.as_bytes()), "this is another book than {title}");
    Ok(Unit::of(&Book { title })?.with(DeclaredArtifact::staged("text", staged)))
}

/// Lets clients in that send the guard's key.
pub(crate) struct Key;

impl Guard for Key {
    fn pulp_type(&self) -> &'static str {
        "test.key"
    }

    fn permits<'a>(&'a self, request: GuardedRequest<'a>) -> BoxFuture<'a, Result<bool>> {
        let sent = request.headers.get("x-key").and_then(|value| value.to_str().ok());
        Box::pin(ready(Ok(sent.is_some() && sent == request.guard["key"].as_str())))
    }
}
