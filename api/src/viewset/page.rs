//! Pages of lists: filters, order, limit and offset (R09, R10).

use http::StatusCode;
use sea_orm::ConnectionTrait;
use utoipa::openapi::Type;
use utoipa::openapi::path::Parameter;

use super::Viewset;
use crate::filter::expression;
use crate::query::Query;
use crate::sql::{Conditions, Needed, bad_reference};
use crate::{Error, Request, Response, Result, response, schema};

/// Rows of a page if nobody says how many.
const LIMIT: i64 = 100;

/// Rows of a page at most, which bounds our memory; `next` leads to the rest.
const MAX_LIMIT: i64 = 10_000;

/// Parameters of every list beside its own filters.
const COMMON: [&str; 8] =
    ["fields", "exclude_fields", "limit", "offset", "page_size", "ordering", "minimal", "q"];

/// What the document says of limit, offset and order.
pub(super) fn parameters(viewset: &Viewset) -> Vec<Parameter> {
    let integer = || schema::simple(Type::Integer, None);
    let mut parameters = vec![
        schema::query("limit", integer(), "Number of results to return per page."),
        schema::query("offset", integer(), "The initial index from which to return the results."),
    ];
    if !viewset.filters.is_empty() {
        let about = "Filter results by using NOT, AND and OR operations on other filters";
        parameters.push(schema::query("q", schema::text(None), about));
    }
    if !viewset.orderings.is_empty() {
        let names = viewset.orderings.iter().map(|(name, _)| *name).chain(["pk"]);
        let words: Vec<String> = names.flat_map(|name| [name.to_owned(), format!("-{name}")]).collect();
        let word = schema::text(None).enum_values(Some(words));
        parameters.push(schema::query_list("ordering", word, "Ordering"));
    }
    parameters
}

pub(super) async fn list(viewset: &Viewset, request: &Request) -> Result<Response> {
    let query = &request.query;
    query
        .check(|name| COMMON.contains(&name) || viewset.filters.iter().any(|filter| filter.name() == name))?;
    let order = order(viewset, query)?;
    let mut conditions = viewset.conditions(request, viewset.keys.len() - 1)?;
    for filter in &viewset.filters {
        if let Some(value) = query.get(filter.name()) {
            filter.apply(value, &mut conditions)?;
        }
    }
    if let Some(text) = query.get("q") {
        expression::apply(&viewset.filters, text, &mut conditions)?;
    }
    check_parent(viewset, request).await?;
    check_needed(request, &conditions.needed).await?;

    let db = &request.context.pulp.db;
    let count = format!("SELECT count(*) AS count FROM {}{}", viewset.from, conditions.text());
    let count: i64 = match db.query_one_raw(conditions.statement(&count)).await? {
        Some(row) => row.try_get("", "count")?,
        None => 0,
    };
    let limit = positive(query.get("limit")).filter(|limit| *limit > 0).unwrap_or(LIMIT).min(MAX_LIMIT);
    let offset = positive(query.get("offset")).unwrap_or(0);
    let sql = format!(
        "SELECT {} FROM {}{} ORDER BY {order} LIMIT {limit} OFFSET {offset}",
        viewset.output(&request.context, query, false),
        viewset.from,
        conditions.text()
    );
    let rows = db.query_all_raw(conditions.statement(&sql)).await?;
    let mut results = String::new();
    for row in &rows {
        if !results.is_empty() {
            results.push(',');
        }
        results.push_str(&row.try_get::<String>("", "body")?);
    }
    let (next, previous) = neighbours(request, count, limit, offset);
    let body = format!(r#"{{"count":{count},"next":{next},"previous":{previous},"results":[{results}]}}"#);
    Ok(response::json_text(StatusCode::OK, body))
}

/// The addresses of the pages after and before this one, as JSON.
fn neighbours(request: &Request, count: i64, limit: i64, offset: i64) -> (String, String) {
    let url = |offset: i64| {
        let offset = (offset > 0).then(|| offset.to_string());
        let query = request.query.with(&[("limit", Some(limit.to_string())), ("offset", offset)]);
        serde_json::Value::from(request.url(&query)).to_string()
    };
    let next = offset.saturating_add(limit);
    let next = if next < count { url(next) } else { "null".to_owned() };
    let previous = if offset > 0 { url(offset - limit) } else { "null".to_owned() };
    (next, previous)
}

/// `ordering` as SQL, completed so that it is total.
fn order(viewset: &Viewset, query: &Query) -> Result<String> {
    let mut terms = Vec::new();
    for word in query.list("ordering") {
        let (name, direction) = match word.strip_prefix('-') {
            Some(name) => (name, " DESC"),
            None => (word, ""),
        };
        let expression = viewset.orderings.iter().find(|(known, _)| *known == name);
        let expression = match (expression, name) {
            (Some((_, expression)), _) => expression.as_str(),
            (None, "pk") => {
                viewset.tie_break.rsplit(", ").next().unwrap_or_default().trim_end_matches(" DESC")
            }
            _ => {
                let message = format!("Select a valid choice. {word} is not one of the available choices.");
                return Err(Error::field("ordering", message));
            }
        };
        terms.push(format!("{expression}{direction}"));
    }
    if terms.is_empty() {
        terms.push(viewset.default_order.to_owned());
    }
    terms.push(viewset.tie_break.to_owned());
    Ok(terms.join(", "))
}

async fn check_parent(viewset: &Viewset, request: &Request) -> Result<()> {
    let Some(sql) = &viewset.parent else { return Ok(()) };
    let mut conditions = Conditions::default();
    conditions.bind(request.id()?);
    conditions.bind(request.domain());
    match request.context.pulp.db.query_one_raw(conditions.statement(sql)).await? {
        Some(_) => Ok(()),
        None => Err(Error::not_found(viewset.kind.model, request.path.as_str())),
    }
}

/// A filter by a row that does not exist is an error, not an empty list (R16).
async fn check_needed(request: &Request, needed: &[Needed]) -> Result<()> {
    for Needed { parameter, table, id, version } in needed {
        let mut conditions = Conditions::default();
        let id = conditions.bind(*id);
        match version {
            Some(number) => {
                let number = conditions.bind(*number);
                conditions.push(format!("repository_id = {id} AND number = {number} AND complete"));
            }
            None => conditions.push(format!("pulp_id = {id}")),
        }
        let sql = format!("SELECT 1 AS found FROM {table}{}", conditions.text());
        let found = request.context.pulp.db.query_one_raw(conditions.statement(&sql)).await?;
        if found.is_none() {
            return Err(bad_reference(parameter));
        }
    }
    Ok(())
}

fn positive(text: Option<&str>) -> Option<i64> {
    text?.trim().parse().ok().filter(|number| *number >= 0)
}
