//! Publications of all types (P14), and what those of one type have in common (C24).

use std::sync::Arc;

use entities::{Kind, db};
use http::{Method, StatusCode};
use sea_orm::ConnectionTrait;
use uuid::Uuid;

use crate::field::{Field, Shape, Values, identity};
use crate::filter::{self, Filter};
use crate::viewset::{self, Viewset};
use crate::{Endpoint, Error, Request, Response, Result, response, sql};

/// The kind under which publications of any type are listed.
static ANY: Kind =
    Kind { table: "publication", pulp_type: "", model: "core.publication", path: "publications" };

pub(super) fn endpoints() -> Vec<Endpoint> {
    let publications = Viewset {
        filters: [filters(), filter::types("t.pulp_type")].concat(),
        ..base(Viewset::new(&ANY, "publications", "Publication", "Publications", "publication_href"))
    };
    vec![viewset::list(&Arc::new(publications))]
}

/// A type of publication, without what is special to it.
pub fn viewset(of: Viewset) -> Viewset {
    let mut viewset = Viewset { filters: filters(), ..base(of) }.of_its_type();
    let distributions = format!(
        "(SELECT coalesce(json_agg({} ORDER BY d.pulp_created), '[]') FROM distribution AS d
          WHERE d.publication_id = t.pulp_id)",
        sql::href("distribution", "d")
    );
    viewset.fields.push(Field::shown("distributions", Shape::Hrefs, distributions));
    viewset
}

fn base(of: Viewset) -> Viewset {
    let repository = format!(
        "(SELECT {} FROM repository_version AS v JOIN repository AS x ON x.pulp_id = v.repository_id
          WHERE v.pulp_id = t.repository_version_id)",
        sql::href("repository", "x")
    );
    let mut fields = identity("publication");
    fields.push(Field { nullable: false, ..Field::version("repository_version", "repository_version_id") });
    fields.push(Field {
        nullable: false,
        output: Some(repository),
        ..Field::argument("repository", Shape::Reference("repository"))
    });
    Viewset { fields, scope: vec!["t.complete".to_owned()], ..of }.ordered_by(&[
        "checkpoint",
        "complete",
        "pass_through",
        "pulp_created",
        "pulp_id",
        "pulp_last_updated",
        "pulp_type",
    ])
}

fn filters() -> Vec<Filter> {
    let version =
        "(SELECT v.pulp_id FROM repository_version AS v WHERE v.repository_id = {r} AND v.number = {n})";
    let of_repository = "t.repository_version_id IN
        (SELECT v.pulp_id FROM repository_version AS v WHERE v.repository_id = {})";
    let holds = |content: &str| {
        format!(
            "EXISTS (SELECT FROM repository_version AS v JOIN repository_content AS rc
                     ON rc.repository_id = v.repository_id AND rc.version_added <= v.number
                     AND (rc.version_removed IS NULL OR rc.version_removed > v.number)
                     WHERE v.pulp_id = t.repository_version_id AND rc.content_id = {content})"
        )
    };
    let mut filters =
        [filter::dates("pulp_created", "t.pulp_created"), filter::ids("publication", "t.pulp_id")].concat();
    filters.extend([
        filter::boolean("checkpoint", "t.checkpoint"),
        filter::version("repository_version", format!("t.repository_version_id = {version}")),
        filter::referring("repository", "repository", of_repository.to_owned(), None),
        filter::referring("content", "content", holds("{}"), None),
        filter::referring_any("content__in", "content", holds("ANY({})")),
    ]);
    filters
}

/// The repository and the version that a new publication is of: exactly one of both is given (C22).
pub async fn version_of(request: &Request, values: &Values, kind: &Kind) -> Result<(Uuid, Uuid)> {
    let condition = match (values.id("repository"), values.id("repository_version")) {
        (Some(repository), None) => ("r.pulp_id", repository),
        (None, Some(version)) => ("v.pulp_id", version),
        (None, None) => {
            return Err(Error::object(
                "Either the 'repository' or 'repository_version' need to be specified",
            ));
        }
        (Some(_), Some(_)) => {
            let message =
                "Either the 'repository' or 'repository_version' need to be specified but not both.";
            return Err(Error::object(message));
        }
    };
    let sql = format!(
        "SELECT r.pulp_id AS repository, v.pulp_id AS version
         FROM repository_version AS v JOIN repository AS r ON r.pulp_id = v.repository_id
         WHERE {} = $1 AND v.complete AND r.pulp_type = $2 ORDER BY v.number DESC LIMIT 1",
        condition.0
    );
    let values = [condition.1.into(), kind.pulp_type.into()];
    let row = request.context.pulp.db.query_one_raw(db::sql(&sql, values)).await?;
    let other = || Error::object(format!("The repository is not one of {}.", kind.path));
    let row = row.ok_or_else(other)?;
    Ok((row.try_get("", "repository")?, row.try_get("", "version")?))
}

/// The operation that deletes a publication at once: 204.
pub fn deletion(publications: &Arc<Viewset>) -> Endpoint {
    let shared = publications.clone();
    let handler = move |request: Request| {
        let publications = shared.clone();
        async move { delete(&publications, &request).await }
    };
    publications
        .action(Method::DELETE, "", "delete", handler)
        .summary("Deletes one.")
        .answer_empty(StatusCode::NO_CONTENT)
}

async fn delete(publications: &Viewset, request: &Request) -> Result<Response> {
    let sql =
        "DELETE FROM publication WHERE pulp_id = $1 AND pulp_domain_id = $2 AND pulp_type = $3 AND complete";
    let id = request.id()?;
    let values = [id.into(), request.domain().into(), publications.kind.pulp_type.into()];
    match request.context.pulp.db.execute_raw(db::sql(sql, values)).await?.rows_affected() {
        0 => Err(Error::not_found(publications.kind.model, id)),
        _ => Ok(response::empty(StatusCode::NO_CONTENT)),
    }
}
