//! A live path: `search?q=WORD` below a distribution finds notes of the served version by their names.

use plugin::content::{Answer, Distribution, Request, Response};
use plugin::entities::{Result, db};
use sea_orm::FromQueryResult;

use crate::note::Note;

const SEARCH: &str = "
    SELECT name, sha256 FROM note JOIN repository_content AS member USING (content_id)
    WHERE member.repository_id = $1 AND version_added <= $2
      AND (version_removed IS NULL OR version_removed > $2) AND strpos(name, $3) > 0
    ORDER BY name LIMIT 100";

/// Responds to requests below a distribution; `None` leaves one to the core, which serves the publication.
pub async fn respond(
    request: Request,
    distribution: Distribution,
    answer: Answer,
) -> Result<Option<Response>> {
    let (true, Some((repository, number))) = (request.path == "search", distribution.version) else {
        return Ok(None);
    };
    let word = request.parameter("q").unwrap_or_default();
    let search = db::sql(SEARCH, [repository.into(), number.into(), word.into()]);
    let notes = Note::find_by_statement(search).all(&answer.pulp().db).await?;
    Answer::json(&notes).map(Some)
}
